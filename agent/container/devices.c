/* SPDX-License-Identifier: Apache-2.0 */
/* Device nodes and links in the container's /dev. */
#include "agent/container/devices.h"

#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "agent/container/detached.h"
#include "agent/container/mounts.h"
#include "agent/device/node.h"
#include "agent/process/stage_step.h"
#include "common/base/mem.h"
#include "common/base/path.h"

#define DEVICES_MAX 4096

struct device {
	const char *path;
	mode_t type; /* S_IFCHR, S_IFBLK, S_IFIFO */
	dev_t number;
	mode_t mode; /* permissions */
	uid_t uid;
	gid_t gid;
};

/* runtime-spec, config-linux.md, "Default Devices"; all for everybody. /dev/console and /dev/ptmx
 * are made of what is mounted. */
static const struct {
	const char *path;
	unsigned major, minor;
} default_devices[] = {
	{ "/dev/null", 1, 3 },   { "/dev/zero", 1, 5 },    { "/dev/full", 1, 7 },
	{ "/dev/random", 1, 8 }, { "/dev/urandom", 1, 9 }, { "/dev/tty", 5, 0 },
};

static const struct {
	const char *path, *target;
} links[] = {
	{ "/dev/fd", "/proc/self/fd" },
	{ "/dev/stdin", "/proc/self/fd/0" },
	{ "/dev/stdout", "/proc/self/fd/1" },
	{ "/dev/stderr", "/proc/self/fd/2" },
};

int device_type(const char *type, mode_t *ret, struct err *e)
{
	if (strcmp(type, "b") == 0)
		*ret = S_IFBLK;
	else if (strcmp(type, "c") == 0 || strcmp(type, "u") == 0)
		*ret = S_IFCHR;
	else if (strcmp(type, "p") == 0)
		*ret = S_IFIFO;
	else
		return err_set(e, ERR_INVALID, "'%s' is no type of device", type);
	return 0;
}

int device_check_path(const char *path, struct err *e)
{
	if (!path_is_clean(path) || strncmp(path, "/dev/", 5) != 0)
		return err_set(e, ERR_INVALID, "a device must be below /dev");
	return 0;
}

/* Descriptor of the directory that `path` is in, made if missing. */
static int open_parent(const struct stage *s, const char *path, struct err *e)
{
	auto_free char *parent = xstrdup(path);

	*strrchr(parent, '/') = '\0';
	return path_mkdirs_in_root(s->rootfd, parent, 0755, e);
}

/* A node or a link that the image or an earlier entry has put there gives way. */
static int clear_place(int parent, const char *name, struct err *e)
{
	if (unlinkat(parent, name, 0) < 0 && errno != ENOENT)
		return err_sys(e, errno, "remove what is there");
	return 0;
}

static int make_node(const struct stage *s, const struct device *d, struct err *e)
{
	const char *name = path_base(d->path);
	auto_close int parent = open_parent(s, d->path, e);
	auto_close int node = -1;
	char path[FD_PATH_MAX];
	struct stat st;

	if (parent < 0 || clear_place(parent, name, e) < 0)
		return -1;
	if (mknodat(parent, name, d->type | d->mode, d->number) < 0)
		return err_sys(e, errno, "mknod");
	node = openat(parent, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (node < 0 || fstat(node, &st) < 0)
		return err_sys(e, errno, "open the new node");
	if ((st.st_mode & S_IFMT) != d->type || st.st_rdev != d->number)
		return err_set(e, ERR_STATE, "the new node was exchanged");
	/* The umask took bits away. */
	if (chmod(fd_path(node, path), d->mode) < 0)
		return err_sys(e, errno, "chmod");
	if (fchownat(node, "", d->uid, d->gid, AT_EMPTY_PATH) < 0)
		return err_sys(e, errno, "chown");
	return 0;
}

/* In a user namespace there is no mknod() that works: the guest's node is mounted instead. */
static int bind_node(const struct stage *s, const struct device *d, struct err *e)
{
	struct err unnamed = ERR_INIT;
	auto_free char *named = device_node(d->type, d->number, &unnamed);
	const char *source = named ? named : d->path;
	auto_close int node = detached_clone(AT_FDCWD, source, false, e);
	auto_close int onto = -1;
	struct stat st;

	if (node < 0)
		return -1;
	if (fstat(node, &st) < 0 || (st.st_mode & S_IFMT) != d->type || st.st_rdev != d->number)
		return err_set(e, ERR_STATE, "the guest's '%s' is another device", source);
	onto = path_mkfile_in_root(s->rootfd, d->path, 0666, e);
	if (onto < 0)
		return -1;
	return detached_attach(node, onto, e);
}

static int make_device(const struct stage *s, const struct device *d, struct err *e)
{
	int r = (s->new_ns | s->joined_ns) & CLONE_NEWUSER && d->type != S_IFIFO
			? bind_node(s, d, e)
			: make_node(s, d, e);

	return r < 0 ? err_wrap(e, "%s", d->path) : 0;
}

static int make_from_spec(const struct stage *s, const Grpc__LinuxDevice *from, struct err *e)
{
	struct device d = {
		.path = from->path,
		.mode = from->filemode & 07777,
		.uid = from->uid,
		.gid = from->gid,
	};
	struct stat st;

	if (device_check_path(from->path, e) < 0 || device_type(from->type, &d.type, e) < 0)
		return err_wrap(e, "%s", from->path);
	if (d.type != S_IFIFO) {
		if (from->major < 0 || from->major > UINT32_MAX || from->minor < 0 ||
		    from->minor > UINT32_MAX)
			return err_set(e, ERR_INVALID, "%s: %lld:%lld is no device number",
				       from->path, (long long)from->major, (long long)from->minor);
		d.number = makedev((unsigned)from->major, (unsigned)from->minor);
	}
	/* 0 is also what a mode that was not given looks like. */
	if (d.mode == 0 && stat(from->path, &st) == 0)
		d.mode = st.st_mode & 07777;
	return make_device(s, &d, e);
}

static bool in_spec(const struct stage *s, const char *path)
{
	for (size_t i = 0; i < s->linux_spec->n_devices; i++)
		if (strcmp(s->linux_spec->devices[i]->path, path) == 0)
			return true;
	return false;
}

static int make_link(const struct stage *s, const char *path, const char *target, bool replace,
		     struct err *e)
{
	auto_close int parent = open_parent(s, path, e);
	const char *name = path_base(path);

	if (parent < 0 || (replace && clear_place(parent, name, e) < 0))
		return err_wrap(e, "%s", path);
	if (symlinkat(target, parent, name) < 0 && errno != EEXIST)
		return err_sys(e, errno, "create link %s", path);
	return 0;
}

static int attach_console(const struct stage *s, struct err *e)
{
	auto_close int terminal = -1;
	auto_close int onto = -1;

	if (!s->req->terminal)
		return 0;
	terminal = detached_clone(STDIN_FILENO, "", false, e);
	if (terminal < 0)
		return err_wrap(e, "/dev/console");
	onto = path_mkfile_in_root(s->rootfd, "/dev/console", 0600, e);
	if (onto < 0 || detached_attach(terminal, onto, e) < 0)
		return err_wrap(e, "/dev/console");
	return 0;
}

static bool dev_is_bind(const struct stage *s)
{
	for (size_t i = 0; i < s->spec->n_mounts; i++)
		if (s->mounts[i].bind && mounts_same_path(s->spec->mounts[i]->destination, "/dev"))
			return true;
	return false;
}

int devices_create(struct stage *s, struct err *e)
{
	const Grpc__Linux *l = s->linux_spec;

	/* Then it is somebody else's /dev, and complete. */
	if (dev_is_bind(s))
		return 0;
	if (l->n_devices > DEVICES_MAX)
		return err_set(e, ERR_EXHAUSTED, "%zu devices, at most %d are possible",
			       l->n_devices, DEVICES_MAX);
	for (size_t i = 0; i < ARRAY_LEN(default_devices); i++) {
		struct device d = {
			.path = default_devices[i].path,
			.type = S_IFCHR,
			.number = makedev(default_devices[i].major, default_devices[i].minor),
			.mode = 0666,
		};

		if (!in_spec(s, d.path) && make_device(s, &d, e) < 0)
			return -1;
	}
	for (size_t i = 0; i < l->n_devices; i++)
		if (make_from_spec(s, l->devices[i], e) < 0)
			return -1;
	for (size_t i = 0; i < ARRAY_LEN(links); i++)
		if (make_link(s, links[i].path, links[i].target, false, e) < 0)
			return -1;
	/* Each devpts has its own multiplexer; a node of the image would lead to the guest's. */
	if (make_link(s, "/dev/ptmx", "pts/ptmx", true, e) < 0)
		return -1;
	return attach_console(s, e);
}
