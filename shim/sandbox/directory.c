/* SPDX-License-Identifier: Apache-2.0 */
/* The state directory of a sandbox and its lock; see directory.h. */
#include "shim/sandbox/directory.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "shim/sandbox/clean_up.h"

#define STATE_DIR_MODE 0700
#define TRIES_MAX      100 /* each further one means that another sandbox of the namespace ended */

/* Is it still what its name leads to? Whoever ended the last sandbox there has removed it. */
static bool is_named(int state, const char *ns, int fd)
{
	struct stat named, opened;

	return fstatat(state, ns, &named, AT_SYMLINK_NOFOLLOW) == 0 && fstat(fd, &opened) == 0 &&
	       named.st_dev == opened.st_dev && named.st_ino == opened.st_ino;
}

/*
 * The lock of a namespace's directory covers the moments in which a directory in it exists without
 * its own: between mkdir() and flock(), and between giving up the lock and the removal; also those
 * in which the namespace's own is about to be removed. It is never held for longer.
 */
static int open_namespace_locked(const char *state_dir, const char *ns, bool make, struct err *e)
{
	auto_close int state = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (state < 0)
		return err_sys(e, errno, "open '%s'", state_dir);
	for (int i = 0; i < TRIES_MAX; i++) {
		auto_close int fd = -1;

		if (make && mkdirat(state, ns, 0700) < 0 && errno != EEXIST)
			return err_sys(e, errno, "create '%s/%s'", state_dir, ns);
		fd = openat(state, ns, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0 && make && errno == ENOENT)
			continue;
		if (fd < 0)
			return err_sys(e, errno, "open '%s/%s'", state_dir, ns);
		if (flock(fd, LOCK_EX) < 0)
			return err_sys(e, errno, "lock '%s/%s'", state_dir, ns);
		if (is_named(state, ns, fd))
			return take_fd(&fd);
	}
	return err_set(e, ERR_UNAVAILABLE, "'%s/%s' is removed again and again", state_dir, ns);
}

static int open_locked(int parent, const char *id, struct err *e)
{
	auto_close int fd = openat(parent, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, errno, "open the state directory of '%s'", id);
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return take_fd(&fd);
	if (errno == EWOULDBLOCK)
		return err_set(e, ERR_STATE, "a live process runs sandbox '%s'", id);
	return err_sys(e, errno, "lock the state directory of '%s'", id);
}

int directory_lock(const char *state_dir, const char *ns, const char *id, struct directory *ret,
		   struct err *e)
{
	struct err why = ERR_INIT;
	auto_close int parent = open_namespace_locked(state_dir, ns, false, &why);
	int fd = parent < 0 ? -1 : open_locked(parent, id, &why);

	if (fd < 0 && why.sys == ENOENT)
		return 0;
	if (fd < 0) {
		*e = why;
		return -1;
	}
	*ret = (struct directory){
		.state_dir = xstrdup(state_dir),
		.ns = xstrdup(ns),
		.path = xasprintf("%s/%s/%s", state_dir, ns, id),
		.fd = fd,
	};
	return 1;
}

void directory_release(struct directory *d)
{
	if (d->fd >= 0)
		(void)close(d->fd);
	free(d->state_dir);
	free(d->ns);
	free(d->path);
	*d = DIRECTORY_NONE;
}

/* With the lock of it held. Fails, as it should, while other sandboxes are there. */
static void remove_namespace(const char *state_dir, const char *ns)
{
	auto_free char *path = path_join(state_dir, ns);

	if (rmdir(path) < 0 && errno != ENOTEMPTY && errno != ENOENT)
		log_debug("remove '%s': %s", path, strerror(errno));
}

void directory_remove(struct directory *d)
{
	auto_close int parent = -1;
	struct err e = ERR_INIT;

	if (!d->path)
		return;
	parent = open_namespace_locked(d->state_dir, d->ns, false, &e);
	if (parent < 0 || path_remove_tree(parent, path_base(d->path), &e) < 0)
		log_warn("remove '%s': %s", d->path, e.text);
	else
		remove_namespace(d->state_dir, d->ns);
	directory_release(d);
}

static void undo_directory(void *arg)
{
	directory_remove(arg);
}

static int make_in(int parent, const char *id, int *ret_fd, struct err *e)
{
	bool stale = mkdirat(parent, id, 0700) < 0;

	if (stale && errno != EEXIST)
		return err_sys(e, errno, "create the state directory of '%s'", id);
	*ret_fd = open_locked(parent, id, e);
	if (*ret_fd >= 0)
		return stale;
	if (e->code == ERR_STATE)
		e->code = ERR_EXISTS;
	return -1;
}

/* Make it, or take over what a crash left: 1 if there was something. */
static int make_or_take_over(const char *state_dir, const char *ns, const char *id,
			     struct directory *d, struct err *e)
{
	auto_close int parent = open_namespace_locked(state_dir, ns, true, e);
	int stale, fd;

	if (parent < 0)
		return -1;
	stale = make_in(parent, id, &fd, e);
	if (stale < 0) {
		remove_namespace(state_dir, ns);
		return -1;
	}
	*d = (struct directory){
		.state_dir = xstrdup(state_dir),
		.ns = xstrdup(ns),
		.path = xasprintf("%s/%s/%s", state_dir, ns, id),
		.fd = fd,
	};
	return stale;
}

int directory_create(const char *state_dir, const char *ns, const char *id, struct directory *ret,
		     struct undo *u, struct err *e)
{
	int stale;

	*ret = DIRECTORY_NONE;
	if (path_mkdirs(state_dir, STATE_DIR_MODE, e) < 0)
		return -1;
	stale = make_or_take_over(state_dir, ns, id, ret, e);
	if (stale < 0)
		return -1;
	if (stale && clean_up_contents(ret, e) < 0) {
		directory_release(ret);
		return -1;
	}
	undo_push(u, "state directory", undo_directory, ret);
	return 0;
}
