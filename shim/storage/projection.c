/* SPDX-License-Identifier: Apache-2.0 */
/* Reading what a kubelet projects into a volume; see projection.h. */
#include "shim/storage/projection.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "common/base/utf8.h"
#include "shim/storage/host_mounts.h"
#include "shim/storage/kubelet_path.h"

#define SHOWN "..data"
#define TRIES 10 /* of reading a set before it is gone; a kubelet writes one in a minute */

char *projection_name(const char *kubelet_root, const char *path)
{
	static const char *const plugins[] = { "configmap", "secret", "projected", "downward-api" };
	char *name = NULL;

	for (size_t i = 0; i < ARRAY_LEN(plugins) && !name; i++)
		name = kubelet_volume_name(kubelet_root, path, plugins[i]);
	return name;
}

bool projection_same(const struct projection_version *a, const struct projection_version *b)
{
	return strcmp(a->set, b->set) == 0 && a->changed.tv_sec == b->changed.tv_sec &&
	       a->changed.tv_nsec == b->changed.tv_nsec;
}

/* A directory of the volume itself, as an atomic writer names it. */
static bool is_set_name(const char *name)
{
	return strncmp(name, "..", 2) == 0 && name[2] && !strchr(name, '/') &&
	       strncmp(name, SHOWN, strlen(SHOWN)) != 0;
}

static int look_once(int volume, struct projection_version *ret, struct err *e)
{
	ssize_t n = readlinkat(volume, SHOWN, ret->set, sizeof(ret->set) - 1);
	struct stat st;

	if (n < 0 && errno != ENOENT && errno != EINVAL && errno != ENOTDIR)
		return err_sys(e, errno, "read " SHOWN);
	if (n < 0)
		return err_set(e, ERR_UNSUPPORTED, "there is no link " SHOWN);
	ret->set[n] = '\0';
	if (!is_set_name(ret->set) || !utf8_valid(ret->set, (size_t)n))
		return err_set(e, ERR_UNSUPPORTED, SHOWN " leads out of the volume");
	if (fstatat(volume, ret->set, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(e, errno, "'%s'", ret->set);
	if (!S_ISDIR(st.st_mode))
		return err_set(e, ERR_UNSUPPORTED, SHOWN " leads to no directory");
	ret->changed = st.st_ctim;
	return 0;
}

/* Between the two calls above the set may have been exchanged. */
static int look_in(int volume, struct projection_version *ret, struct err *e)
{
	for (int tries = 1;; tries++) {
		struct err why = ERR_INIT;

		if (look_once(volume, ret, &why) == 0)
			return 0;
		if (why.code == ERR_NOT_FOUND && tries < TRIES)
			continue;
		*e = why;
		return -1;
	}
}

int projection_look(const char *path, struct projection_version *ret, struct err *e)
{
	auto_close int volume = host_mounts_open(path, O_NOFOLLOW, e);

	return volume < 0 ? -1 : look_in(volume, ret, e);
}

/* ---- Reading a set ---- */

struct reading {
	Husk__PutRequest *to;
	size_t room; /* for to->files */
	size_t bytes;
};

static Husk__ProjectedFile *new_file(const char *path, const struct stat *st)
{
	Husk__ProjectedFile *f = xmalloc(sizeof(*f));

	husk__projected_file__init(f);
	f->path = xstrdup(path);
	f->mode = st->st_mode;
	f->uid = st->st_uid;
	f->gid = st->st_gid;
	return f;
}

static int add(struct reading *r, Husk__ProjectedFile *f, struct err *e)
{
	Husk__PutRequest *to = r->to;

	if (to->n_files == r->room) {
		r->room = r->room ? 2 * r->room : 8;
		to->files = xrealloc(to->files, r->room * sizeof(to->files[0]));
	}
	to->files[to->n_files++] = f;
	r->bytes += strlen(f->path);
	if (to->n_files > PROJECTION_ENTRIES_MAX)
		return err_set(e, ERR_EXHAUSTED, "more than %u files", PROJECTION_ENTRIES_MAX);
	return 0;
}

static int read_data(struct reading *r, int fd, ProtobufCBinaryData *ret, struct err *e)
{
	size_t room = r->bytes < PROJECTION_BYTES_MAX ? PROJECTION_BYTES_MAX - r->bytes : 0;
	char *data = NULL;
	size_t len = 0;

	if (fd_read_all(fd, room, "it", &data, &len, e) < 0)
		return e->code != ERR_EXHAUSTED ? -1
						: err_set(e, ERR_EXHAUSTED, "more than %u MiB",
							  PROJECTION_BYTES_MAX >> 20);
	r->bytes += len;
	ret->data = (uint8_t *)data;
	ret->len = len;
	return 0;
}

static int read_directory(struct reading *r, int fd_taken, const char *path, unsigned depth,
			  struct err *e);

static int read_entry(struct reading *r, int parent, const char *name, const char *path,
		      unsigned depth, struct err *e)
{
	auto_close int fd =
		openat(parent, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	Husk__ProjectedFile *f;
	struct stat st;

	if (fd < 0 && errno == ELOOP)
		return err_set(e, ERR_UNSUPPORTED, "it is a symlink");
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, errno, "open");
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		return err_set(e, ERR_UNSUPPORTED, "it is no file");
	f = new_file(path, &st);
	if (add(r, f, e) < 0)
		return -1;
	return S_ISDIR(st.st_mode) ? read_directory(r, take_fd(&fd), path, depth + 1, e)
				   : read_data(r, fd, &f->data, e);
}

static int read_entries(struct reading *r, DIR *dir, const char *path, unsigned depth,
			struct err *e)
{
	for (;;) {
		auto_free char *below = NULL;
		const struct dirent *entry;

		errno = 0;
		entry = readdir(dir);
		if (!entry)
			return errno ? err_sys(e, errno, "read the directory") : 0;
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (!utf8_valid(entry->d_name, strlen(entry->d_name)))
			return err_set(e, ERR_UNSUPPORTED, "a name in it is not UTF-8");
		below = path[0] ? path_join(path, entry->d_name) : xstrdup(entry->d_name);
		if (read_entry(r, dirfd(dir), entry->d_name, below, depth, e) < 0)
			return err_wrap(e, "%s", entry->d_name);
	}
}

static int read_directory(struct reading *r, int fd_taken, const char *path, unsigned depth,
			  struct err *e)
{
	DIR *dir = fdopendir(fd_taken);
	int result;

	if (!dir) {
		err_sys(e, errno, "read the directory");
		(void)close(fd_taken);
		return -1;
	}
	result = depth > PROJECTION_DEPTH_MAX
			 ? err_set(e, ERR_EXHAUSTED, "more than %u directories in each other",
				   PROJECTION_DEPTH_MAX)
			 : read_entries(r, dir, path, depth, e);
	(void)closedir(dir);
	return result;
}

static int read_set(int volume, const char *name, const struct projection_version *version,
		    Husk__PutRequest *to, struct err *e)
{
	auto_close int fd =
		openat(volume, version->set, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct reading r = { .to = to };
	struct stat of_volume, st;

	if (fd < 0 || fstat(fd, &st) < 0 || fstat(volume, &of_volume) < 0)
		return err_sys(e, errno, "open '%s'", version->set);
	to->volume = xstrdup(name);
	to->root = new_file("", &of_volume);
	to->set = xstrdup(version->set);
	if (add(&r, new_file("", &st), e) < 0)
		return -1;
	return read_directory(&r, take_fd(&fd), "", 1, e);
}

/*
 * The old set is removed after the rename alone: what is still shown after it was read is whole. If it is
 * not, nothing that was read counts, an error as little as what seemed to be all.
 */
int projection_read(const char *path, const char *name, struct projection_version *ret_version,
		    Husk__PutRequest **ret, struct err *e)
{
	auto_close int volume = host_mounts_open(path, O_NOFOLLOW, e);

	if (volume < 0 || look_in(volume, ret_version, e) < 0)
		return -1;
	for (int tries = 0; tries < TRIES; tries++) {
		Husk__PutRequest *set = xmalloc(sizeof(*set));
		struct projection_version now;
		struct err why = ERR_INIT;
		int r, looked;

		husk__put_request__init(set);
		r = read_set(volume, name, ret_version, set, &why);
		looked = look_in(volume, &now, e);
		if (looked == 0 && r == 0 && projection_same(&now, ret_version)) {
			*ret = set;
			return 0;
		}
		husk__put_request__free_unpacked(set, NULL);
		if (looked < 0)
			return -1;
		if (projection_same(&now, ret_version)) {
			*e = why;
			return -1;
		}
		*ret_version = now;
	}
	return err_set(e, ERR_STATE, "it changes all the time");
}
