/* SPDX-License-Identifier: Apache-2.0 */
/* Detached mounts; see detached.h. */
#include "agent/container/detached.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>

#include "common/base/mem.h"

int detached_clone(int dirfd, const char *path, bool below, struct err *e)
{
	unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (path[0] ? 0 : AT_EMPTY_PATH) |
			 (below ? AT_RECURSIVE : 0);
	int fd = open_tree(dirfd, path, flags);

	if (fd < 0)
		return err_sys(e, errno, "open_tree '%s'", path);
	return fd;
}

/* What the kernel wrote into the log of a file system context, e.g. "e tmpfs: Bad value for 'x'". */
static int fail_with_log(int fs, const char *type, const char *what, struct err *e)
{
	int sys = errno;
	char line[256];
	ssize_t n = read(fs, line, sizeof(line) - 1);

	err_sys(e, sys, "%s%s%s", type, what[0] ? " option " : "", what);
	if (n > 2) {
		line[n] = '\0';
		line[strcspn(line, "\n")] = '\0';
		err_append(e, "%s", line + 2); /* behind the level and a space */
	}
	return -1;
}

static int give_option(int fs, const char *type, const char *option, struct err *e)
{
	auto_free char *key = xstrdup(option);
	char *value = strchr(key, '=');
	int r;

	if (value)
		*value++ = '\0';
	r = value ? fsconfig(fs, FSCONFIG_SET_STRING, key, value, 0)
		  : fsconfig(fs, FSCONFIG_SET_FLAG, key, NULL, 0);
	return r < 0 ? fail_with_log(fs, type, option, e) : 0;
}

int detached_new(const char *type, const char *source, const struct mount_attrs *a, struct err *e)
{
	auto_close int fs = fsopen(type, FSOPEN_CLOEXEC);
	int fd;

	if (fs < 0)
		return err_sys(e, errno, "fsopen %s", type);
	if (source[0] && fsconfig(fs, FSCONFIG_SET_STRING, "source", source, 0) < 0)
		return fail_with_log(fs, type, "source", e);
	for (size_t i = 0; a->fs && a->fs[i]; i++)
		if (give_option(fs, type, a->fs[i], e) < 0)
			return -1;
	if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return fail_with_log(fs, type, "", e);
	fd = fsmount(fs, FSMOUNT_CLOEXEC, (unsigned)(a->set | a->below_set));
	if (fd < 0)
		return fail_with_log(fs, type, "", e);
	return fd;
}

int detached_set(int fd, bool below, uint64_t set, uint64_t clear, uint64_t propagation,
		 struct err *e)
{
	struct mount_attr attr = { .attr_set = set, .attr_clr = clear, .propagation = propagation };

	if (!set && !clear && !propagation)
		return 0;
	if (mount_setattr(fd, "", AT_EMPTY_PATH | (below ? AT_RECURSIVE : 0), &attr, sizeof(attr)) <
	    0)
		return err_sys(e, errno, "mount_setattr");
	return 0;
}

int detached_set_attrs(int fd, const struct mount_attrs *a, struct err *e)
{
	if (detached_set(fd, true, a->below_set, a->below_clear, 0, e) < 0)
		return -1;
	if (detached_set(fd, false, a->set, a->clear, 0, e) < 0)
		return -1;
	return detached_set(fd, a->propagation_below, 0, 0, a->propagation, e);
}

int detached_set_idmap(int fd, bool below, int userns, struct err *e)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)userns };

	if (mount_setattr(fd, "", AT_EMPTY_PATH | (below ? AT_RECURSIVE : 0), &attr,
			  sizeof(attr)) == 0)
		return 0;
	if (errno == EINVAL)
		return err_set(e, ERR_UNSUPPORTED,
			       "this kernel has no id-mapped mounts of this file system: tmpfs has "
			       "them from Linux 6.3 on, virtio-fs from 6.12 on");
	return err_sys(e, errno, "map the owners");
}

int detached_attach(int fd, int onto, struct err *e)
{
	if (move_mount(fd, "", onto, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return err_sys(e, errno, "move_mount");
	return 0;
}
