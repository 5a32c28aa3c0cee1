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

#define STATE_DIR_MODE 0711 /* a VMM with a user id of its own has to pass through */

/*
 * The parent's lock covers the moments in which a directory exists without its own: between mkdir()
 * and flock(), and between giving up the lock and the removal. It is never held for longer.
 */
static int open_parent_locked(const char *state_dir, struct err *e)
{
	auto_close int fd = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, errno, "open '%s'", state_dir);
	if (flock(fd, LOCK_EX) < 0)
		return err_sys(e, errno, "lock '%s'", state_dir);
	return take_fd(&fd);
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

int directory_lock(const char *state_dir, const char *id, struct directory *ret, struct err *e)
{
	struct err why = ERR_INIT;
	auto_close int parent = open_parent_locked(state_dir, &why);
	int fd = parent < 0 ? -1 : open_locked(parent, id, &why);

	if (fd < 0 && why.sys == ENOENT)
		return 0;
	if (fd < 0) {
		*e = why;
		return -1;
	}
	*ret = (struct directory){ .path = path_join(state_dir, id), .fd = fd };
	return 1;
}

void directory_remove(struct directory *d)
{
	auto_free char *parent_path = NULL;
	auto_close int parent = -1;
	struct err e = ERR_INIT;

	if (!d->path)
		return;
	parent_path = xstrndup(d->path, (size_t)(path_base(d->path) - d->path));
	parent = open_parent_locked(parent_path, &e);
	if (parent < 0 || path_remove_tree(parent, path_base(d->path), &e) < 0)
		log_warn("remove '%s': %s", d->path, e.text);
	(void)close(d->fd);
	free(d->path);
	*d = DIRECTORY_NONE;
}

static void undo_directory(void *arg)
{
	directory_remove(arg);
}

/* Make it, or take over what a crash left: 1 if there was something. */
static int make_or_take_over(const char *state_dir, const char *id, struct directory *d,
			     struct err *e)
{
	auto_close int parent = open_parent_locked(state_dir, e);
	bool stale;

	if (parent < 0)
		return -1;
	stale = mkdirat(parent, id, 0700) < 0;
	if (stale && errno != EEXIST)
		return err_sys(e, errno, "create the state directory of '%s'", id);
	d->fd = open_locked(parent, id, e);
	if (d->fd < 0) {
		if (e->code == ERR_STATE)
			e->code = ERR_EXISTS;
		return -1;
	}
	d->path = path_join(state_dir, id);
	return stale;
}

int directory_create(const char *state_dir, const char *id, struct directory *ret, struct undo *u,
		     struct err *e)
{
	int stale;

	*ret = DIRECTORY_NONE;
	if (path_mkdirs(state_dir, STATE_DIR_MODE, e) < 0)
		return -1;
	stale = make_or_take_over(state_dir, id, ret, e);
	if (stale < 0)
		return -1;
	undo_push(u, "state directory", undo_directory, ret);
	if (stale)
		return clean_up_contents(ret, e);
	return 0;
}
