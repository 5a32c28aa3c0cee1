/* SPDX-License-Identifier: Apache-2.0 */
/* Mounting in the guest's own tree, on the worker pool where it can take a while; see mount.h. */
#include "agent/mount/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "common/async/work.h"
#include "common/base/mem.h"
#include "common/base/path.h"

/* A bind mount takes nothing but these two in its first call; the rest wants a remount. */
#define BIND_FLAGS (MS_BIND | MS_REC)

struct mount_work {
	const char *source, *target, *fstype;
	const struct mount_options *o;
	const char *failed; /* the step, a literal; NULL: success */
	int sys;
};

static void mount_now(void *arg)
{
	struct mount_work *w = arg;
	const struct mount_options *o = w->o;
	bool bind = o->flags & MS_BIND;

	if (mount(w->source, w->target, bind ? NULL : w->fstype,
		  bind ? o->flags & BIND_FLAGS : o->flags, bind ? NULL : o->data) < 0) {
		w->failed = "mount";
		w->sys = errno;
		return;
	}
	if (bind && (o->flags & ~BIND_FLAGS) &&
	    mount(NULL, w->target, NULL, (o->flags & ~MS_REC) | MS_REMOUNT, NULL) < 0) {
		w->failed = "remount";
		w->sys = errno;
	} else if (o->propagation && mount(NULL, w->target, NULL, o->propagation, NULL) < 0) {
		w->failed = "set the propagation of";
		w->sys = errno;
	}
	if (w->failed && !(o->flags & MS_REMOUNT))
		(void)umount2(w->target, MNT_DETACH);
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

int mount_at(const char *source, const char *target, const char *fstype,
	     const struct mount_options *o, struct err *e)
{
	struct mount_work w = { .source = source, .target = target, .fstype = fstype, .o = o };

	if (mounts_at_once(fstype, o))
		mount_now(&w);
	else
		work_run(mount_now, &w);
	if (w.failed)
		return err_sys(e, w.sys, "%s '%s' at '%s' (%s)", w.failed, source, target,
			       o->flags & MS_BIND ? "bind" : fstype);
	return 0;
}

int mount_point_make(const char *source, const char *target, bool bind, struct err *e)
{
	auto_free char *parent = NULL;
	auto_close int fd = -1;
	struct stat st;

	if (!bind || (stat(source, &st) == 0 && S_ISDIR(st.st_mode)))
		return path_mkdirs(target, 0755, e);

	parent = xstrndup(target, (size_t)(path_base(target) - target));
	if (path_mkdirs(parent, 0755, e) < 0)
		return -1;
	fd = open(target, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0)
		return err_sys(e, errno, "create mount point '%s'", target);
	return 0;
}

struct unmount_work {
	const char *target;
	int sys;
};

static void unmount_now(void *arg)
{
	struct unmount_work *w = arg;

	if (umount2(w->target, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 && errno != EINVAL &&
	    errno != ENOENT)
		w->sys = errno;
}

/* Nothing that a disk would have to be waited for. */
static bool unmounts_at_once(const char *target)
{
	struct statfs fs;

	return statfs(target, &fs) == 0 &&
	       (fs.f_type == TMPFS_MAGIC || fs.f_type == FUSE_SUPER_MAGIC);
}

int mount_remove(const char *target, struct err *e)
{
	struct unmount_work w = { .target = target };

	if (unmounts_at_once(target))
		unmount_now(&w);
	else
		work_run(unmount_now, &w);
	return w.sys ? err_sys(e, w.sys, "unmount '%s'", target) : 0;
}

/* mountinfo writes blank, tab, newline and backslash as three octal digits (proc(5)). */
static void unescape(char *s)
{
	char *out = s;

	for (; *s; out++) {
		if (s[0] == '\\' && s[1] && s[2] && s[3]) {
			*out = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
			s += 4;
		} else {
			*out = *s++;
		}
	}
	*out = '\0';
}

static void close_file(FILE **f)
{
	if (*f)
		(void)fclose(*f);
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

static int look_in_mountinfo(const char *path, bool *ret_mounted, char **ret_fstype, struct err *e)
{
	CLEANUP(close_file) FILE *f = fopen("/proc/self/mountinfo", "re");
	auto_free char *line = NULL;
	auto_free char *fstype = NULL;
	bool mounted = false;
	size_t room = 0;

	if (!f)
		return err_sys(e, errno, "open /proc/self/mountinfo");
	/* ID, parent, device, root, mount point, options, tags, "-", type, ... The last one counts. */
	while (getline(&line, &room, f) > 0) {
		char *rest = line;
		char *field = NULL;
		char *dash;

		for (int i = 0; i < 5 && rest; i++)
			field = strsep(&rest, " ");
		if (!field || !rest)
			continue;
		unescape(field);
		if (strcmp(field, path) != 0)
			continue;
		mounted = true;
		dash = strstr(rest, " - ");
		free(fstype);
		fstype = dash ? xstrndup(dash + 3, strcspn(dash + 3, " \n")) : xstrdup("");
	}
	*ret_mounted = mounted;
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
