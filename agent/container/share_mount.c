/* SPDX-License-Identifier: Apache-2.0 */
/* `husk-agent share-mount`: from one mount namespace to another; see shared_mounts.h. */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "agent/container/detached.h"
#include "agent/container/shared_mounts.h"
#include "common/base/mem.h"
#include "common/base/path.h"

#define SOURCE_NS      3
#define DESTINATION_NS 4
#define LOOKS          100 /* ten seconds, as Kata's agent */
#define LOOK_NS        100000000l

static int enter(int ns, int *ret_root, struct err *e)
{
	if (setns(ns, CLONE_NEWNS) < 0)
		return err_sys(e, errno, "enter the mount namespace");
	*ret_root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return *ret_root < 0 ? err_sys(e, errno, "open '/'") : 0;
}

static bool is_mount(int fd)
{
	struct statx st;

	return statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, 0, &st) == 0 &&
	       (st.stx_attributes & STATX_ATTR_MOUNT_ROOT);
}

static int open_source(int root, const char *path, struct err *e)
{
	const struct timespec pause = { .tv_nsec = LOOK_NS };

	for (int look = 0; look < LOOKS; look++) {
		struct err why = ERR_INIT;
		auto_close int fd = path_open_in_root(root, path, O_PATH, 0, &why);

		if (fd >= 0 && is_mount(fd))
			return take_fd(&fd);
		(void)nanosleep(&pause, NULL);
	}
	return err_set(e, ERR_TIMEOUT, "nothing is mounted at '%s'", path);
}

static int share(const char *source, const char *destination, struct err *e)
{
	auto_close int root = -1, from = -1, tree = -1, own_root = -1, onto = -1;
	struct stat st;

	if (enter(SOURCE_NS, &root, e) < 0)
		return -1;
	from = open_source(root, source, e);
	if (from < 0)
		return -1;
	if (fstat(from, &st) < 0)
		return err_sys(e, errno, "stat '%s'", source);
	tree = detached_clone(from, "", true, e);
	if (tree < 0 || detached_set(tree, true, 0, 0, MS_SLAVE, e) < 0)
		return -1;
	if (enter(DESTINATION_NS, &own_root, e) < 0)
		return -1;
	onto = S_ISDIR(st.st_mode) ? path_mkdirs_in_root(own_root, destination, 0755, e)
				   : path_mkfile_in_root(own_root, destination, 0644, e);
	return onto < 0 ? -1 : detached_attach(tree, onto, e);
}

/* Nothing of ours is to run in a container's tree: no exit handlers. */
_Noreturn void share_mount_main(const char *source, const char *destination)
{
	struct err e = ERR_INIT;

	if (share(source, destination, &e) == 0)
		_exit(0);
	(void)fprintf(stderr, "%s\n", e.text);
	_exit(1);
}
