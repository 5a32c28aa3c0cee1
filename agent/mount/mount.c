/* SPDX-License-Identifier: Apache-2.0 */
/* Mounting in the guest's own tree, on the worker pool where it can take a while; see mount.h. */
#include "agent/mount/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "common/async/work.h"
#include "common/base/mem.h"
#include "common/base/mountinfo.h"
#include "common/base/path.h"

/* A bind mount takes nothing but these two in its first call; the rest wants a remount. */
#define BIND_FLAGS (MS_BIND | MS_REC)

struct mount_work {
	const char *source, *fstype;
	const struct mount_point *at;
	const struct mount_options *o;
	struct err e;
	int r;
};

static int fail(struct mount_work *w, const char *step)
{
	return err_sys(&w->e, errno, "%s '%s' at '%s' (%s)", step, w->source, w->at->path,
		       w->o->flags & MS_BIND ? "bind" : w->fstype);
}

static int mount_first(struct mount_work *w)
{
	const struct mount_options *o = w->o;
	bool bind = o->flags & MS_BIND;
	auto_close int onto = mount_point_open(w->at, &w->e);
	char target[FD_PATH_MAX];

	if (onto < 0)
		return -1;
	if (mount(w->source, fd_path(onto, target), bind ? NULL : w->fstype,
		  bind ? o->flags & BIND_FLAGS : o->flags, bind ? NULL : o->data) < 0)
		return fail(w, "mount");
	return 0;
}

static bool wants_rest(const struct mount_options *o)
{
	return o->propagation || ((o->flags & MS_BIND) && (o->flags & ~BIND_FLAGS));
}

/* What the first call does not take. */
static int mount_rest(struct mount_work *w)
{
	const struct mount_options *o = w->o;
	auto_close int mounted = mount_point_open(w->at, &w->e);
	char target[FD_PATH_MAX];

	if (mounted < 0)
		return -1;
	(void)fd_path(mounted, target);
	if ((o->flags & MS_BIND) && (o->flags & ~BIND_FLAGS) &&
	    mount(NULL, target, NULL, (o->flags & ~MS_REC) | MS_REMOUNT, NULL) < 0)
		return fail(w, "remount");
	if (o->propagation && mount(NULL, target, NULL, o->propagation, NULL) < 0)
		return fail(w, "set the propagation of");
	return 0;
}

static void take_back(struct mount_work *w)
{
	struct err late = ERR_INIT;
	auto_close int mounted = mount_point_open(w->at, &late);
	char target[FD_PATH_MAX];

	if (mounted < 0)
		err_append(&w->e, "it stays mounted: %s", late.text);
	else
		(void)umount2(fd_path(mounted, target), MNT_DETACH);
}

static void mount_now(void *arg)
{
	struct mount_work *w = arg;

	w->r = mount_first(w);
	if (w->r < 0 || !wants_rest(w->o))
		return;
	w->r = mount_rest(w);
	if (w->r < 0 && !(w->o->flags & MS_REMOUNT))
		take_back(w);
}

/*
 * Is there nothing to wait for? Memory and what is in the tree already; and the share, whose daemon
 * answers or takes the machine along. The first container of most sandboxes takes no other mounts, and
 * a pool that is not used has no threads to start.
 */
static bool mounts_at_once(const char *fstype, const struct mount_options *o)
{
	return (o->flags & MS_BIND) || strcmp(fstype, "tmpfs") == 0 ||
	       strcmp(fstype, "virtiofs") == 0;
}

int mount_at(const char *source, const struct mount_point *at, const char *fstype,
	     const struct mount_options *o, struct err *e)
{
	struct mount_work w = { .source = source, .at = at, .fstype = fstype, .o = o };

	if (mounts_at_once(fstype, o))
		mount_now(&w);
	else
		work_run(mount_now, &w);
	if (w.r < 0)
		*e = w.e;
	return w.r;
}

struct unmount_work {
	int fd;
	int sys;
};

static void unmount_now(void *arg)
{
	struct unmount_work *w = arg;
	char target[FD_PATH_MAX];

	if (umount2(fd_path(w->fd, target), MNT_DETACH) < 0 && errno != EINVAL)
		w->sys = errno;
	/* Here, not by the caller: the last one to let go of a file system waits for its disk. */
	(void)close(w->fd);
}

/* Nothing that a disk would have to be waited for. */
static bool unmounts_at_once(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 && (fs.f_type == TMPFS_MAGIC || fs.f_type == FUSE_SUPER_MAGIC);
}

int mount_remove(const struct mount_point *at, struct err *e)
{
	struct err why = ERR_INIT;
	struct unmount_work w = { .fd = mount_point_open(at, &why) };

	if (w.fd < 0) {
		if (why.sys == ENOENT)
			return 0;
		*e = why;
		return err_wrap(e, "unmount '%s'", at->path);
	}
	if (unmounts_at_once(w.fd))
		unmount_now(&w);
	else
		work_run(unmount_now, &w);
	return w.sys ? err_sys(e, w.sys, "unmount '%s'", at->path) : 0;
}

/* Said by the kernel (5.8), without reading through all mounts. A link may lead to a mount point. */
static bool nothing_mounted(const char *path)
{
	struct statx st;

	if (statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC, 0,
		  &st) < 0)
		return errno == ENOENT;
	return (st.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT) &&
	       !(st.stx_attributes & STATX_ATTR_MOUNT_ROOT);
}

/* The last one counts. */
static int look_in_mountinfo(const char *path, bool *ret_mounted, char **ret_fstype, struct err *e)
{
	auto_free char *text = NULL;
	auto_free char *fstype = NULL;
	struct mountinfo_line line;
	char *rest;

	if (mountinfo_read(&text, e) < 0)
		return -1;
	rest = text;
	while (mountinfo_next(&rest, &line)) {
		if (strcmp(line.point, path) != 0)
			continue;
		free(fstype);
		fstype = xstrdup(line.type);
	}
	*ret_mounted = fstype != NULL;
	if (ret_fstype)
		*ret_fstype = take_ptr(fstype);
	return 0;
}

int mount_find(const char *path, bool *ret_mounted, char **ret_fstype, struct err *e)
{
	if (!nothing_mounted(path))
		return look_in_mountinfo(path, ret_mounted, ret_fstype, e);
	*ret_mounted = false;
	if (ret_fstype)
		*ret_fstype = NULL;
	return 0;
}
