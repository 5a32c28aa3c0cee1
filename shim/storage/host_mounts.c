/* SPDX-License-Identifier: Apache-2.0 */
/* The mounts of the namespace that the shim was started in; see host_mounts.h. */
#include "shim/storage/host_mounts.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mount.h>

#include "common/base/cleanup.h"
#include "common/base/path.h"

static struct {
	int ns, root;
} host = { -1, -1 };

int host_mounts_keep(struct err *e)
{
	host.ns = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	if (host.ns < 0)
		return err_sys(e, errno, "open the mount namespace");
	host.root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (host.root < 0)
		return err_sys(e, errno, "open '/'");
	return 0;
}

int host_mounts_open(const char *path, struct err *e)
{
	int fd;

	/* A walk from a directory stays in the tree of mounts that the directory was opened in. */
	if (host.root >= 0)
		return path_open_in_root(host.root, path, O_PATH, 0, e);
	fd = open(path, O_PATH | O_CLOEXEC);
	return fd < 0 ? err_sys(e, errno, "open '%s'", path) : fd;
}

struct clone {
	int fd, tree, sys;
	bool recursive;
};

/* The kernel copies mounts of the caller's own namespace only (open_tree(2)). */
static void *clone_there(void *arg)
{
	struct clone *c = arg;
	unsigned int flags = AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC;

	if (host.ns >= 0 && (unshare(CLONE_FS) < 0 || setns(host.ns, CLONE_NEWNS) < 0)) {
		c->sys = errno;
		return NULL;
	}
	c->tree = open_tree(c->fd, "", flags | (c->recursive ? AT_RECURSIVE : 0));
	c->sys = errno;
	return NULL;
}

int host_mounts_clone(int fd, bool recursive, struct err *e)
{
	struct clone c = { .fd = fd, .tree = -1, .recursive = recursive };
	pthread_t thread;
	int sys = pthread_create(&thread, NULL, clone_there, &c);

	if (sys != 0)
		return err_sys(e, sys, "start a thread");
	sys = pthread_join(thread, NULL);
	if (sys != 0)
		return err_sys(e, sys, "wait for the thread");
	return c.tree < 0 ? err_sys(e, c.sys, "copy the mount") : c.tree;
}
