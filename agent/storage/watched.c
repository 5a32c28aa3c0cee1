/* SPDX-License-Identifier: Apache-2.0 */
/* Volumes that inotify works on; see watched.h. */
#include "agent/storage/watched.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/container/detached.h"
#include "agent/mount/mount.h"
#include "agent/storage/mirror.h"
#include "common/async/fiber.h"
#include "common/async/work.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/path.h"

#define LOOK_MS   2000
#define FILE_NAME "file" /* in the tmpfs of a source that is one file */

/* Kata's: past these it is bound, because copies take memory and looking takes time. */
static const struct mirror_size size_limit = { .files = 16, .bytes = 1u << 20 };

/* A volume may grow, and holds two sets of files while one follows the other. */
static const char *const tmpfs_options[] = { "size=16m", "nr_inodes=4096", "mode=0755", NULL };

struct watched {
	char *mount_point;
	char *place;  /* where the tmpfs is mounted for us; NULL: not yet */
	char *name;   /* of a source that is a file, in `from`; NULL: a directory */
	int from, to; /* the source, or its directory; the root of the tmpfs */
	bool failing; /* that was said */
	struct fiber_group watch;
};

struct sync_work {
	struct watched *w;
	struct err e;
	int result;
};

static void sync_now(void *arg)
{
	struct sync_work *work = arg;
	const struct watched *w = work->w;

	work->result = w->name ? mirror_file(w->from, w->name, w->to, FILE_NAME, &work->e)
			       : mirror_sync(w->from, w->to, &work->e);
}

static int sync_once(struct watched *w, struct err *e)
{
	struct sync_work work = { .w = w, .e = ERR_INIT };

	work_run(sync_now, &work);
	if (work.result < 0)
		*e = work.e;
	return work.result;
}

static void watch(void *arg)
{
	struct watched *w = arg;
	struct err e = ERR_INIT;

	while (fiber_sleep_ms(LOOK_MS, &e) == 0) {
		bool failed = sync_once(w, &e) < 0;

		if (failed && !w->failing)
			log_warn("volume '%s' is not kept up to date: %s", w->mount_point, e.text);
		if (!failed && w->failing)
			log_info("volume '%s' is up to date again", w->mount_point);
		w->failing = failed;
		e = ERR_INIT;
	}
}

static void remove_place(const char *path)
{
	struct err e = ERR_INIT;

	if (mount_remove(path, &e) < 0)
		log_warn("the copy of a volume stays: %s", e.text);
	else if (rmdir(path) < 0)
		log_debug("'%s' stays: %s", path, strerror(errno));
}

static void undo_watch(void *arg)
{
	struct watched *w = arg;

	fiber_group_cancel(&w->watch);
	fiber_group_wait(&w->watch);
	if (w->from >= 0)
		(void)close(w->from);
	if (w->to >= 0)
		(void)close(w->to);
	if (w->place)
		remove_place(w->place);
	free(w->place);
	free(w->mount_point);
	free(w->name);
	free(w);
}

struct measure_work {
	int from;
	struct mirror_size size;
	struct err e;
	int result;
};

static void measure_now(void *arg)
{
	struct measure_work *m = arg;

	m->result = mirror_measure(m->from, &size_limit, &m->size, &m->e);
}

/* One that cannot be measured is not one to be copied. */
static bool is_small(int from)
{
	struct measure_work m = { .from = from, .e = ERR_INIT };

	work_run(measure_now, &m);
	return m.result == 0 && m.size.files <= size_limit.files &&
	       m.size.bytes <= size_limit.bytes;
}

static int bind_plainly(const Grpc__Storage *s, const char *mount_point, struct err *e)
{
	const struct mount_options bind = { .flags = MS_BIND };

	log_info("volume '%s' is too large to be watched for changes", mount_point);
	if (mount_point_make(s->source, mount_point, true, e) < 0)
		return -1;
	return mount_at(s->source, mount_point, "bind", &bind, e);
}

/* The kernel clones only what is mounted somewhere (before Linux 6.15). */
static int make_place(struct watched *w, const char *run_dir, struct err *e)
{
	static unsigned number;
	auto_free char *path = xasprintf("%s/sandbox/watched-%u", run_dir, number++);
	auto_close int onto = -1;

	if (path_mkdirs(path, 0700, e) < 0)
		return -1;
	onto = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (onto < 0)
		return err_sys(e, errno, "open '%s'", path);
	if (detached_attach(w->to, onto, e) < 0)
		return -1;
	w->place = take_ptr(path);
	return 0;
}

/* A second mount of the tmpfs, so that one may be read-only and the other written to. */
static int show(const struct watched *w, const Grpc__Storage *s, struct err *e)
{
	auto_mount_attrs struct mount_attrs attrs = { .fs = NULL };
	auto_close int shown = detached_clone(w->to, w->name ? FILE_NAME : "", false, e);
	auto_close int onto = -1;

	if (shown < 0 || mount_attrs_parse(s->options, s->n_options, &attrs, e) < 0)
		return -1;
	if (detached_set(shown, false, attrs.set | attrs.below_set, 0, MS_PRIVATE, e) < 0)
		return -1;
	if (mount_point_make(s->source, w->mount_point, true, e) < 0)
		return -1;
	onto = open(w->mount_point, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (onto < 0)
		return err_sys(e, errno, "open '%s'", w->mount_point);
	return detached_attach(shown, onto, e);
}

static int start_watch(struct watched *w, const Grpc__Storage *s, const char *run_dir,
		       struct err *e)
{
	const struct mount_attrs tmpfs = {
		.set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV,
		.fs = (char **)(uintptr_t)tmpfs_options,
	};

	w->to = detached_new("tmpfs", "watchable", &tmpfs, e);
	if (w->to < 0 || make_place(w, run_dir, e) < 0 || sync_once(w, e) < 0 || show(w, s, e) < 0)
		return -1;
	fiber_group_start(&w->watch, "volume", watch, w);
	return 0;
}

static int watched_mount(const Grpc__Storage *s, const char *mount_point,
			 const struct storage_user *user, struct undo *teardown, struct err *e)
{
	auto_free char *parent = NULL;
	auto_close int from = -1;
	struct watched *w;
	struct stat st;

	if (!path_is_clean(s->source))
		return err_set(e, ERR_INVALID, "'%s' is no absolute path", s->source);
	if (stat(s->source, &st) < 0)
		return err_sys(e, errno, "'%s'", s->source);
	if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))
		return err_set(e, ERR_INVALID, "'%s' is neither a file nor a directory", s->source);
	parent = S_ISDIR(st.st_mode)
			 ? xstrdup(s->source)
			 : xstrndup(s->source, (size_t)(path_base(s->source) - s->source));
	from = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (from < 0)
		return err_sys(e, errno, "open '%s'", parent);
	if (S_ISDIR(st.st_mode) ? !is_small(from) : (uint64_t)st.st_size > size_limit.bytes)
		return bind_plainly(s, mount_point, e);

	w = xnew(struct watched);
	w->mount_point = xstrdup(mount_point);
	w->name = S_ISDIR(st.st_mode) ? NULL : xstrdup(path_base(s->source));
	w->from = take_fd(&from);
	w->to = -1;
	undo_push(teardown, "volume", undo_watch, w);
	return start_watch(w, s, user->run_dir, e);
}

const struct storage_driver watchable_bind = { .name = "watchable-bind", .mount = watched_mount };
