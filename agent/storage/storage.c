/* SPDX-License-Identifier: Apache-2.0 */
/* The table of storages and their users; see storage.h. The drivers are in drivers.c. */
#include "agent/storage/storage.h"

#include <string.h>

#include "agent/mount/mount.h"
#include "agent/storage/fs_group.h"
#include "agent/storage/layers.h"
#include "common/async/fiber.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/path.h"

/* uthash asks for memory through this, which never returns NULL. */
#define uthash_malloc(n) xmalloc(n)
#include <uthash.h>

struct storage {
	char *mount_point;
	const char *run_dir; /* borrowed */
	unsigned users;
	bool keep;            /* the last user's end does not unmount it */
	bool busy;            /* being mounted or unmounted by some fiber */
	struct cond idle;     /* waits for !busy; the entry may be gone by then */
	struct undo teardown; /* besides the unmount */
	UT_hash_handle hh;
};

static const struct storage_driver *driver_find(const char *name)
{
	for (size_t i = 0; i < storage_n_drivers; i++)
		if (strcmp(storage_drivers[i]->name, name) == 0)
			return storage_drivers[i];
	return NULL;
}

static struct storage *storage_find(const struct storage_table *t, const char *mount_point)
{
	struct storage *s;

	HASH_FIND_STR(t->first, mount_point, s);
	return s;
}

static void storage_forget(struct storage_table *t, struct storage *s)
{
	HASH_DEL(t->first, s);
	cond_wake_all(&s->idle);
	free(s->mount_point);
	free(s);
}

/* Hosts write some mount points with a slash at the end. */
static int mount_point_check(const char *path, char **ret, struct err *e)
{
	auto_free char *clean = xstrdup(path);
	size_t len = strlen(clean);

	while (len > 1 && clean[len - 1] == '/')
		clean[--len] = '\0';
	if (len < 2 || !path_is_clean(clean))
		return err_set(e, ERR_INVALID, "'%s' cannot be a mount point", path);
	*ret = take_ptr(clean);
	return 0;
}

/* What is mounted: one storage by its driver, or a group of layers. */
struct request {
	const char *name; /* for errors */
	const char *mount_point;
	bool keep;
	const struct storage_driver *driver;
	Grpc__Storage *const *member;
	size_t n;
};

static int request_mount(const struct request *r, const struct mount_point *at,
			 const struct storage_user *user, struct undo *teardown, struct err *e)
{
	const Grpc__FSGroup *group = r->member[0]->fs_group;

	if (!r->driver)
		return layers_mount(r->member, r->n, at, user, teardown, e);
	if (r->driver->mount(r->member[0], at, user, teardown, e) < 0)
		return -1;
	if (group && fs_group_apply(at, group, e) < 0) {
		struct err late = ERR_INIT;

		if (mount_remove(at, &late) < 0)
			err_append(e, "%s", late.text);
		return -1;
	}
	return 0;
}

/* A link that is in the way is there too, and not ours to take away. */
static bool is_there(const struct mount_point *at)
{
	struct err why = ERR_INIT;
	auto_close int fd = mount_point_open(at, &why);

	return fd >= 0 || why.sys != ENOENT;
}

/* Fails on a share that the host made read-only, and where files are left: both are fine. */
static void unmake(const struct mount_point *at, bool file)
{
	struct err e = ERR_INIT;

	if (mount_point_unmake(at, file, &e) < 0)
		log_debug("mount point stays: %s", e.text);
}

static int add(struct storage_table *t, const struct request *r, const struct storage_user *user,
	       char **ret_mount_point, struct err *e)
{
	auto_free char *mount_point = NULL;
	struct mount_point at = { .run_dir = user->run_dir };
	struct storage *s;
	bool was_there;

	for (size_t i = 0; i < r->n; i++)
		if (r->member[i]->n_options > STORAGE_OPTIONS_MAX ||
		    r->member[i]->n_driver_options > STORAGE_OPTIONS_MAX)
			return err_set(e, ERR_EXHAUSTED, "storage at '%s' has more than %u options",
				       r->mount_point, STORAGE_OPTIONS_MAX);
	if (mount_point_check(r->mount_point, &mount_point, e) < 0)
		return -1;

	while ((s = storage_find(t, mount_point)) && s->busy)
		if (cond_wait(&s->idle, DEADLINE_NEVER, e) < 0)
			return err_wrap(e, "wait for the storage at '%s'", mount_point);
	if (s) {
		s->users++;
		*ret_mount_point = take_ptr(mount_point);
		return 0;
	}

	s = xnew(struct storage);
	s->mount_point = xstrdup(mount_point);
	s->run_dir = user->run_dir;
	s->keep = r->keep;
	s->busy = true;
	HASH_ADD_KEYPTR(hh, t->first, s->mount_point, strlen(s->mount_point), s);
	at.path = mount_point;
	was_there = is_there(&at);
	if (request_mount(r, &at, user, &s->teardown, e) < 0) {
		undo_run(&s->teardown);
		if (!was_there)
			unmake(&at, true);
		storage_forget(t, s);
		return err_wrap(e, "%s storage at '%s'", r->name, mount_point);
	}
	s->users = 1;
	s->busy = false;
	cond_wake_all(&s->idle);
	*ret_mount_point = take_ptr(mount_point);
	return 0;
}

int storage_add(struct storage_table *t, const Grpc__Storage *request,
		const struct storage_user *user, char **ret_mount_point, struct err *e)
{
	Grpc__Storage *member = (Grpc__Storage *)(uintptr_t)request;
	struct request r = {
		.name = request->driver,
		.mount_point = request->mount_point,
		.driver = driver_find(request->driver),
		.keep = request->shared,
		.member = &member,
		.n = 1,
	};

	if (!r.driver)
		return err_set(e, ERR_INVALID, "there is no storage driver '%s'", request->driver);
	r.keep = r.keep || r.driver->keep;
	return add(t, &r, user, ret_mount_point, e);
}

int storage_add_layers(struct storage_table *t, Grpc__Storage *const *member, size_t n,
		       const struct storage_user *user, char **ret_mount_point, struct err *e)
{
	struct request r = { .name = "layers", .member = member, .n = n };

	if (layers_target(member, n, &r.mount_point, e) < 0)
		return -1;
	return add(t, &r, user, ret_mount_point, e);
}

static void storage_unmount(struct storage_table *t, struct storage *s)
{
	const struct mount_point at = { .run_dir = s->run_dir, .path = s->mount_point };
	struct err e = ERR_INIT;

	s->busy = true;
	if (mount_remove(&at, &e) < 0)
		log_warn("storage stays mounted: %s", e.text);
	else
		unmake(&at, false);
	undo_run(&s->teardown);
	storage_forget(t, s);
}

void storage_release(struct storage_table *t, const char *mount_point)
{
	struct storage *s = storage_find(t, mount_point);

	if (!s || s->users == 0)
		return;
	s->users--;
	if (s->users == 0 && !s->keep)
		storage_unmount(t, s);
}

void storage_release_all(struct storage_table *t)
{
	while (t->first) {
		struct storage *newest = ELMT_FROM_HH(t->first->hh.tbl, t->first->hh.tbl->tail);

		if (newest->busy) {
			struct err e = ERR_INIT;

			if (cond_wait(&newest->idle, DEADLINE_NEVER, &e) < 0)
				return;
			continue;
		}
		storage_unmount(t, newest);
	}
}
