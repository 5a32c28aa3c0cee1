/* SPDX-License-Identifier: Apache-2.0 */
/* Mounting on the host; see mount.h. */
#include "shim/storage/mount.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/async/work.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/mountinfo.h"
#include "common/base/path.h"
#include "shim/storage/host_mounts.h"
#include "shim/storage/loop.h"
#include "shim/storage/overlay.h"

static void detach_work(void *arg)
{
	(void)umount2(arg, MNT_DETACH | UMOUNT_NOFOLLOW);
}

void mount_detach(const char *path)
{
	auto_free char *copy = xstrdup(path);

	/* It can wait for a disk: an overlay syncs its upper file system. */
	work_run(detach_work, copy);
}

static void undo_detach(void *arg)
{
	auto_free char *path = arg;

	mount_detach(path);
}

static void undo_rmdir(void *arg)
{
	auto_free char *path = arg;

	if (rmdir(path) < 0 && errno != ENOENT)
		log_debug("remove directory '%s': %s", path, strerror(errno));
}

static void undo_unlink(void *arg)
{
	auto_free char *path = arg;

	if (unlink(path) < 0 && errno != ENOENT)
		log_debug("remove '%s': %s", path, strerror(errno));
}

void undo_push_rmdir(struct undo *u, const char *path)
{
	undo_push(u, "directory", undo_rmdir, xstrdup(path));
}

void undo_push_unlink(struct undo *u, const char *path)
{
	undo_push(u, "file", undo_unlink, xstrdup(path));
}

struct bind_work {
	const struct mount_bind_params *p;
	struct err *e;
	int result;
};

static int clone_source(const struct mount_bind_params *p, struct err *e)
{
	auto_close int there = -1;
	int tree;

	if (p->of_host) {
		there = host_mounts_open(p->source, 0, e);
		return there < 0 ? -1 : host_mounts_clone(there, p->recursive, e);
	}
	tree = open_tree(AT_FDCWD, p->source,
			 OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (p->recursive ? AT_RECURSIVE : 0));
	return tree < 0 ? err_sys(e, errno, "copy the mount") : tree;
}

static int bind_now(const struct mount_bind_params *p, struct err *e)
{
	struct mount_attr attr = { .attr_set = 0 };
	struct mount_attr propagation = {
		.propagation = p->propagation == MOUNT_PROPAGATION_SLAVE ? MS_SLAVE : MS_PRIVATE,
	};
	unsigned int below = p->recursive ? AT_RECURSIVE : 0;
	auto_close int tree = clone_source(p, e);

	if (tree < 0)
		return err_wrap(e, "bind '%s'", p->source);
	if (p->add_flags & MS_RDONLY)
		attr.attr_set |= MOUNT_ATTR_RDONLY;
	if (p->add_flags & MS_NOSUID)
		attr.attr_set |= MOUNT_ATTR_NOSUID;
	if (p->add_flags & MS_NODEV)
		attr.attr_set |= MOUNT_ATTR_NODEV;
	if (p->add_flags & MS_NOEXEC)
		attr.attr_set |= MOUNT_ATTR_NOEXEC;
	if (mount_setattr(tree, "", AT_EMPTY_PATH | below, &propagation, sizeof(propagation)) < 0 ||
	    mount_setattr(tree, "", AT_EMPTY_PATH | (p->flags_below ? below : 0), &attr,
			  sizeof(attr)) < 0)
		return err_sys(e, errno, "set attributes of the bind mount of '%s'", p->source);
	if (move_mount(tree, "", AT_FDCWD, p->target, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return err_sys(e, errno, "bind '%s' to '%s'", p->source, p->target);
	return 0;
}

static void bind_work(void *arg)
{
	struct bind_work *w = arg;

	w->result = bind_now(w->p, w->e);
}

int mount_bind(const struct mount_bind_params *p, struct undo *u, struct err *e)
{
	struct bind_work w = { .p = p, .e = e };

	work_run(bind_work, &w);
	if (w.result == 0)
		undo_push(u, "bind mount", undo_detach, xstrdup(p->target));
	return w.result;
}

struct filesystem_work {
	const char *type, *source, *target;
	const struct mount_options *o;
	struct err *e;
	int result;
};

static int filesystem_now(const struct filesystem_work *w)
{
	auto_close int loop = -1;
	char loop_path[LOOP_PATH_MAX];
	const char *source = w->source;

	if (w->o->loop) {
		loop = loop_attach(w->source, w->o->flags & MS_RDONLY, loop_path, w->e);
		if (loop < 0)
			return -1;
		source = loop_path;
	}
	if (strcmp(w->type, "overlay") == 0)
		return overlay_mount(w->target, w->o, w->e);
	if (mount(source, w->target, w->type, w->o->flags, w->o->data) < 0)
		return err_sys(w->e, errno, "mount '%s' of type %s", w->source, w->type);
	return 0;
}

static void filesystem_work(void *arg)
{
	struct filesystem_work *w = arg;

	w->result = filesystem_now(w);
}

int mount_filesystem(const char *type, const char *source, const char *target,
		     const struct mount_options *o, struct undo *u, struct err *e)
{
	struct filesystem_work w = {
		.type = type, .source = source, .target = target, .o = o, .e = e
	};

	work_run(filesystem_work, &w);
	if (w.result == 0)
		undo_push(u, "file system", undo_detach, xstrdup(target));
	return w.result;
}

int mount_make_shared_root(const char *path, struct undo *u, struct err *e)
{
	struct mount_bind_params p = { .source = path, .target = path };

	if (mount_bind(&p, u, e) < 0)
		return -1;
	/* First out of whatever group its parent put it in, then a new group with us alone in it. */
	if (mount(NULL, path, NULL, MS_PRIVATE, NULL) < 0 ||
	    mount(NULL, path, NULL, MS_SHARED, NULL) < 0)
		return err_sys(e, errno, "make '%s' a shared mount", path);
	return 0;
}

/* The mount points at and below `dir`, oldest first. */
static int find_below(const char *dir, char ***ret, struct err *e)
{
	auto_free char *text = NULL;
	struct mountinfo_line line;
	char *rest;

	if (mountinfo_read(&text, e) < 0)
		return -1;
	rest = text;
	while (mountinfo_next(&rest, &line))
		if (path_below(dir, line.point))
			strv_add(ret, line.point);
	return 0;
}

int mount_has_below(const char *dir, bool *ret, struct err *e)
{
	auto_strv char **found = NULL;

	if (find_below(dir, &found, e) < 0)
		return -1;
	*ret = false;
	for (size_t i = 0; found && found[i]; i++)
		*ret |= strlen(found[i]) > strlen(dir);
	return 0;
}

int mount_detach_below(const char *dir, struct err *e)
{
	auto_strv char **found = NULL;

	if (find_below(dir, &found, e) < 0)
		return -1;
	for (size_t i = strv_len((const char *const *)found); i > 0; i--)
		mount_detach(found[i - 1]);
	return 0;
}
