/* SPDX-License-Identifier: Apache-2.0 */
/* Kubernetes' emptyDir volumes; see empty_dir.h. */
#include "shim/storage/empty_dir.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "common/base/mem.h"
#include "common/base/num.h"
#include "common/base/path.h"
#include "shim/storage/host_mounts.h"
#include "shim/storage/kubelet_path.h"

#define BELOW_POD "/volumes/kubernetes.io~empty-dir/"
#define SUBPATHS  "/volume-subpaths/" /* <volume>/<container>/<number of the mount> */

/* agent-protocol 3.5; the second is ours: Kata's is below the root file system of its pause container */
#define GUEST_MEMORY_DIR "/run/kata-containers/sandbox/ephemeral"
#define GUEST_LOCAL_DIR  "/run/kata-containers/sandbox/local"

char *empty_dir_name(const char *kubelet_root, const char *path)
{
	return kubelet_volume_name(kubelet_root, path, "empty-dir");
}

char *empty_dir_of_subpath(const char *kubelet_root, const char *path)
{
	const char *pod, *name, *container;
	size_t pod_len, len;
	const char *rest = kubelet_below_pod(kubelet_root, path, &pod, &pod_len);

	if (!rest || strncmp(rest, SUBPATHS, strlen(SUBPATHS)) != 0)
		return NULL;
	name = rest + strlen(SUBPATHS);
	len = strcspn(name, "/");
	container = name + len + strspn(name + len, "/");
	if (!kubelet_is_name(name, len) || strcspn(container, "/") == strlen(container))
		return NULL;
	return xasprintf("%.*s" BELOW_POD "%.*s", (int)(pod + pod_len - path), path, (int)len,
			 name);
}

/* Something is mounted on it: its device is not that of the directory it is in. */
static int look_at_mount(int fd, const struct stat *st, struct empty_dir *d, struct err *e)
{
	struct stat parent;
	struct statfs fs;

	if (fstatat(fd, "..", &parent, 0) < 0 || fstatfs(fd, &fs) < 0)
		return err_sys(e, errno, "look at the mount");
	d->kind = EMPTY_DIR_DISK;
	if (st->st_dev == parent.st_dev)
		return 0;
	if (fs.f_type == TMPFS_MAGIC) {
		d->kind = EMPTY_DIR_MEMORY;
		d->bytes = (uint64_t)fs.f_blocks * (uint64_t)fs.f_bsize;
	} else if (fs.f_type == HUGETLBFS_MAGIC) {
		d->kind = EMPTY_DIR_HUGEPAGES;
		d->page_size = (uint64_t)fs.f_bsize;
		if ((int64_t)fs.f_blocks > 0)
			d->bytes = (uint64_t)fs.f_blocks * (uint64_t)fs.f_bsize;
	}
	return 0;
}

/* `volume` is named right: what is there? */
static int find_volume(const char *volume, char *name_owned, struct empty_dir *ret, dev_t *ret_dev,
		       struct err *e)
{
	auto_empty_dir struct empty_dir d = { .name = name_owned };
	auto_close int fd = host_mounts_open(volume, O_NOFOLLOW, e);
	struct stat st;

	if (fd < 0)
		return -1;
	if (fstat(fd, &st) < 0)
		return err_sys(e, errno, "stat '%s'", volume);
	if (!S_ISDIR(st.st_mode))
		return 0;
	if (look_at_mount(fd, &st, &d, e) < 0)
		return err_wrap(e, "'%s'", volume);
	d.mode = st.st_mode & 07777;
	d.group = st.st_gid;
	*ret_dev = st.st_dev;
	*ret = d;
	d = EMPTY_DIR_INIT;
	return 0;
}

/*
 * `root` is where on its disk a directory is of which the volume has the upper part: the rest of it is what
 * leads there from the volume. NULL: nothing does.
 */
static int find_on_disk(const char *volume, const char *root, const struct stat *st, char **ret,
			struct err *e)
{
	auto_close int dir = host_mounts_open(volume, O_NOFOLLOW, e);

	*ret = NULL;
	if (dir < 0)
		return -1;
	for (const char *rest = strchr(root, '/'); rest; rest = strchr(rest + 1, '/')) {
		struct err absent = ERR_INIT;
		auto_close int fd = -1;
		struct stat there;

		if (rest[1] == '\0')
			continue;
		fd = path_open_without_links(dir, rest + 1, O_PATH | O_DIRECTORY, &absent);
		if (fd < 0 || fstat(fd, &there) < 0)
			continue;
		if (there.st_dev == st->st_dev && there.st_ino == st->st_ino) {
			*ret = xstrdup(rest);
			return 0;
		}
	}
	return 0;
}

/* A subPath, where the kubelet binds a part of the volume. */
static int find_subpath(const char *kubelet_root, const char *path, const char *volume,
			struct empty_dir *ret, struct err *e)
{
	auto_empty_dir struct empty_dir d = EMPTY_DIR_INIT;
	auto_close int fd = -1;
	struct err absent = ERR_INIT;
	struct stat st;
	dev_t dev = 0;

	/* A volume of another kind has no such directory. */
	if (find_volume(volume, empty_dir_name(kubelet_root, volume), &d, &dev, &absent) < 0)
		return 0;
	if (d.kind == EMPTY_DIR_NONE)
		return 0;
	fd = host_mounts_open(path, O_NOFOLLOW, e);
	if (fd < 0)
		return -1;
	if (fstat(fd, &st) < 0)
		return err_sys(e, errno, "stat '%s'", path);
	if (st.st_dev != dev)
		return 0;
	if (host_mounts_root(fd, &d.inside, e) < 0)
		return err_wrap(e, "'%s'", path);
	if (d.kind == EMPTY_DIR_DISK) {
		auto_free char *root = take_ptr(d.inside);

		if (find_on_disk(volume, root, &st, &d.inside, e) < 0)
			return err_wrap(e, "'%s'", path);
		if (!d.inside)
			return 0;
	}
	*ret = d;
	d = EMPTY_DIR_INIT;
	return 0;
}

static int find_below(const char *kubelet_root, const char *path, struct empty_dir *ret,
		      bool *ret_is_one, struct err *e)
{
	char *name = empty_dir_name(kubelet_root, path);
	auto_free char *volume = empty_dir_of_subpath(kubelet_root, path);
	dev_t dev;

	*ret_is_one = name || volume;
	if (name)
		return find_volume(path, name, ret, &dev, e);
	return volume ? find_subpath(kubelet_root, path, volume, ret, e) : 0;
}

int empty_dir_find(const char *kubelet_root, const char *path, struct empty_dir *ret, struct err *e)
{
	auto_free char *real = NULL;
	bool is_one;

	*ret = EMPTY_DIR_INIT;
	if (find_below(kubelet_root, path, ret, &is_one, e) < 0)
		return -1;
	if (is_one)
		return 0;
	/* containerd names sources without symlinks, and the kubelet's root may be one. */
	real = realpath(kubelet_root, NULL);
	return real ? find_below(real, path, ret, &is_one, e) : 0;
}

void empty_dir_done(struct empty_dir *d)
{
	free(d->name);
	free(d->inside);
	*d = EMPTY_DIR_INIT;
}

/* "2MB" as OCI specs write sizes of pages: powers of 1024. */
static bool parse_page_size(const char *text, uint64_t *ret)
{
	static const char units[] = "KMG";
	auto_free char *digits = xstrdup(text);
	size_t len = strlen(digits);
	const char *unit;
	uint64_t value;

	if (len < 3 || digits[len - 1] != 'B')
		return false;
	unit = strchr(units, digits[len - 2]);
	digits[len - 2] = '\0';
	return unit && num_u64(digits, 10, &value) &&
	       !__builtin_mul_overflow(value, 1024ull << (10 * (unit - units)), ret);
}

static int hugepages_limit(const struct empty_dir *d, const struct oci_resources *limits,
			   uint64_t *ret, struct err *e)
{
	for (size_t i = 0; limits && i < limits->n_hugepage_limits; i++) {
		const struct oci_hugepage_limit *l = &limits->hugepage_limits[i];
		uint64_t size;

		if (!parse_page_size(l->page_size, &size) || size != d->page_size || l->limit == 0)
			continue;
		*ret = l->limit;
		return 0;
	}
	*ret = d->bytes;
	if (d->bytes > 0)
		return 0;
	return err_set(e, ERR_INVALID,
		       "huge pages of %" PRIu64
		       " bytes, and the container's limits say nothing of how many",
		       d->page_size);
}

static void add_option(Grpc__Storage *s, char *option_owned)
{
	guest_storage_add_option(s, option_owned);
	free(option_owned);
}

/* What the kubelet gave the directory for the pod's fsGroup, the guest's gets too. */
static void add_owner(Grpc__Storage *s, const struct empty_dir *d)
{
	/* That of hugetlbfs is the kernel's, the other one the agent's. */
	const char *group = d->kind == EMPTY_DIR_HUGEPAGES ? "gid" : "fsgid";

	add_option(s, xasprintf("mode=%o", d->mode));
	if (d->group != 0)
		add_option(s, xasprintf("%s=%u", group, d->group));
}

static Grpc__Storage *add_ephemeral(struct guest_request *r, const char *source, const char *fstype,
				    const char *path)
{
	return guest_request_add_storage(r, "ephemeral", source, fstype, path);
}

int empty_dir_make(const struct empty_dir *d, const struct oci_resources *limits,
		   struct guest_request *r, char **ret_path, struct err *e)
{
	bool local = d->kind == EMPTY_DIR_DISK;
	auto_free char *path = path_join(local ? GUEST_LOCAL_DIR : GUEST_MEMORY_DIR, d->name);
	uint64_t bytes = d->bytes;
	Grpc__Storage *s;

	if (d->kind == EMPTY_DIR_HUGEPAGES) {
		if (hugepages_limit(d, limits, &bytes, e) < 0)
			return -1;
		s = add_ephemeral(r, "nodev", "hugetlbfs", path);
		add_option(s, xasprintf("pagesize=%" PRIu64, d->page_size));
	} else if (local) {
		s = guest_request_add_storage(r, "local", "local", "local", path);
	} else {
		s = add_ephemeral(r, "tmpfs", "tmpfs", path);
	}
	if (bytes > 0)
		add_option(s, xasprintf("size=%" PRIu64, bytes));
	add_owner(s, d);
	*ret_path = d->inside ? path_join(path, d->inside) : take_ptr(path);
	return 0;
}
