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
	const char *run_dir; /* borrowed */
	char *place;         /* where the tmpfs is mounted for us; NULL: not yet */
	char *name;          /* of a source that is a file, in `from`; NULL: a directory */
	int from, to;        /* the source, or its directory; the root of the tmpfs */
	bool failing;        /* that was said */
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

	if (mount_remove(GUEST_MOUNT_POINT(path), &e) < 0)
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

static int bind_plainly(const Grpc__Storage *s, int source, bool directory,
			const struct mount_point *at, struct err *e)
{
	auto_mount_options struct mount_options o = MOUNT_OPTIONS_INIT;
	auto_close int onto = -1;
	char path[FD_PATH_MAX];

	log_info("volume '%s' is too large to be watched for changes", at->path);
	if (mount_options_parse(s->options, s->n_options, &o, e) < 0)
		return -1;
	o.flags |= MS_BIND;
	onto = mount_point_make(at, directory, e);
	return onto < 0 ? -1 : mount_at(fd_path(source, path), at, "bind", &o, e);
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
	const struct mount_point at = { .run_dir = w->run_dir, .path = w->mount_point };
	auto_close int shown = detached_clone(w->to, w->name ? FILE_NAME : "", false, e);
	auto_close int onto = -1;

	if (shown < 0 || mount_attrs_parse(s->options, s->n_options, &attrs, e) < 0)
		return -1;
	if (detached_set(shown, false, attrs.set | attrs.below_set, 0, MS_PRIVATE, e) < 0)
		return -1;
	onto = mount_point_make(&at, !w->name, e);
	return onto < 0 ? -1 : detached_attach(shown, onto, e);
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

/* The directory at `source`, or the one that a file is in, to be read. */
static int open_directory(const char *run_dir, const char *source, bool file, struct err *e)
{
	auto_free char *path =
		file ? xstrndup(source, (size_t)(path_base(source) - source)) : xstrdup(source);
	auto_close int place = host_path_open(run_dir, path, O_DIRECTORY, e);
	int fd;

	if (place < 0)
		return -1;
	fd = openat(place, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? err_sys(e, errno, "open '%s'", path) : fd;
}

static int watched_mount(const Grpc__Storage *s, const struct mount_point *at,
			 const struct storage_user *user, struct undo *teardown, struct err *e)
{
	auto_close int source = -1;
	auto_close int from = -1;
	struct watched *w;
	struct stat st;

	if (!path_is_clean(s->source))
		return err_set(e, ERR_INVALID, "'%s' is no absolute path", s->source);
	source = host_path_open(user->run_dir, s->source, 0, e);
	if (source < 0)
		return -1;
	if (fstat(source, &st) < 0)
		return err_sys(e, errno, "stat '%s'", s->source);
	if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))
		return err_set(e, ERR_INVALID, "'%s' is neither a file nor a directory", s->source);
	from = open_directory(user->run_dir, s->source, S_ISREG(st.st_mode), e);
	if (from < 0)
		return -1;
	if (S_ISDIR(st.st_mode) ? !is_small(from) : (uint64_t)st.st_size > size_limit.bytes)
		return bind_plainly(s, source, S_ISDIR(st.st_mode), at, e);

	w = xnew(struct watched);
	w->mount_point = xstrdup(at->path);
	w->run_dir = user->run_dir;
	w->name = S_ISDIR(st.st_mode) ? NULL : xstrdup(path_base(s->source));
	w->from = take_fd(&from);
	w->to = -1;
	undo_push(teardown, "volume", undo_watch, w);
	return start_watch(w, s, user->run_dir, e);
}

const struct storage_driver watchable_bind = { .name = "watchable-bind", .mount = watched_mount };
