/* SPDX-License-Identifier: Apache-2.0 */
/* The mounts of the namespace that the shim was started in; see host_mounts.h. */
#include "shim/storage/host_mounts.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "common/base/cleanup.h"
#include "common/base/mem.h"
#include "common/base/mountinfo.h"
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

int host_mounts_open(const char *path, int flags, struct err *e)
{
	int fd;

	/* A walk from a directory stays in the tree of mounts that the directory was opened in. */
	if (host.root >= 0)
		return path_open_in_root(host.root, path, flags | O_PATH, 0, e);
	fd = open(path, flags | O_PATH | O_CLOEXEC);
	return fd < 0 ? err_sys(e, errno, "open '%s'", path) : fd;
}

struct visit {
	int (*look)(struct visit *v); /* in the host's namespace */
	int fd, result;
	bool recursive;
	char *text;
	struct err *e;
};

static void *visitor(void *arg)
{
	struct visit *v = arg;

	if (host.ns >= 0 && (unshare(CLONE_FS) < 0 || setns(host.ns, CLONE_NEWNS) < 0))
		v->result = err_sys(v->e, errno, "enter containerd's mount namespace");
	else
		v->result = v->look(v);
	return NULL;
}

/* Only a thread can be in another mount namespace than its process, and only if its root is its own. */
static int visit(struct visit *v)
{
	pthread_t thread;
	int sys = pthread_create(&thread, NULL, visitor, v);

	if (sys != 0)
		return err_sys(v->e, sys, "start a thread");
	sys = pthread_join(thread, NULL);
	return sys != 0 ? err_sys(v->e, sys, "wait for a thread") : v->result;
}

/* The kernel copies mounts of the caller's own namespace only (open_tree(2)). */
static int clone_there(struct visit *v)
{
	unsigned int flags = AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC;
	int tree = open_tree(v->fd, "", flags | (v->recursive ? AT_RECURSIVE : 0));

	return tree < 0 ? err_sys(v->e, errno, "copy the mount") : tree;
}

int host_mounts_clone(int fd, bool recursive, struct err *e)
{
	struct visit v = { .look = clone_there, .fd = fd, .recursive = recursive, .e = e };

	return visit(&v);
}

static int find_root_there(struct visit *v)
{
	auto_free char *text = NULL;
	struct mountinfo_line line;
	struct statx st;
	char *rest;

	if (statx(v->fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &st) < 0)
		return err_sys(v->e, errno, "statx");
	if (mountinfo_read(&text, v->e) < 0)
		return -1;
	rest = text;
	while (mountinfo_next(&rest, &line)) {
		if (line.id != st.stx_mnt_id)
			continue;
		v->text = xstrdup(line.root);
		return 0;
	}
	return err_set(v->e, ERR_NOT_FOUND, "the mount is gone");
}

int host_mounts_root(int fd, char **ret, struct err *e)
{
	struct visit v = { .look = find_root_there, .fd = fd, .e = e };

	if (visit(&v) < 0)
		return -1;
	*ret = v.text;
	return 0;
}
