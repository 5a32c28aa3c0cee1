/* SPDX-License-Identifier: Apache-2.0 */
/* Making, watching and removing a container's cgroup; see cgroup.h. */
#include "agent/cgroup/cgroup.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "agent/cgroup/cgroup_private.h"
#include "agent/cgroup/root.h"
#include "agent/cgroup/v1.h"
#include "common/async/fiber.h"
#include "common/base/fd.h"
#include "common/base/mountinfo.h"
#include "common/base/num.h"
#include "common/base/path.h"
#include "common/oci/cgroups_path.h"

#define FILE_MAX_BYTES (4u << 20) /* cgroup.procs of some 500,000 processes */
#define DEPTH_MAX      64         /* a workload may nest its own; deeper is not looked into */
#define KILL_PASSES    64         /* without cgroup.kill: forks while we look */
#define POLL_FIRST_MS  1
#define POLL_LAST_MS   50

static const char *const controllers[] = { "cpuset", "cpu", "io", "memory", "hugetlb", "pids" };

static const int dir_flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW;

/* What cannot be turned on is missed only when a limit wants it. One by one: a single unknown name
 * makes the kernel refuse the whole line. */
static void enable_controllers(int dir)
{
	for (size_t i = 0; i < ARRAY_LEN(controllers); i++) {
		struct err ignored = ERR_INIT;

		if (file_writef(dir, "cgroup.subtree_control", &ignored, "+%s", controllers[i]) < 0)
			continue;
	}
}

/* Returns the descriptor of the last directory; *ret_made: whether it was not there before. */
static int make_path(int rootfd, const char *path, bool *ret_made, struct err *e)
{
	auto_free char *rest = xstrdup(path);
	auto_close int dir = openat(rootfd, ".", dir_flags);
	char *save = NULL;

	if (dir < 0)
		return err_sys(e, errno, "open the root of the cgroups");
	for (char *name = strtok_r(rest, "/", &save); name; name = strtok_r(NULL, "/", &save)) {
		int next;

		enable_controllers(dir);
		*ret_made = mkdirat(dir, name, 0755) == 0;
		if (!*ret_made && errno != EEXIST)
			return err_sys(e, errno, "create cgroup '%s'", path);
		next = openat(dir, name, dir_flags);
		if (next < 0) {
			err_sys(e, errno, "open cgroup '%s'", path);
			if (*ret_made)
				(void)unlinkat(dir, name, AT_REMOVEDIR);
			return -1;
		}
		(void)close(dir);
		dir = next;
	}
	return take_fd(&dir);
}

/*
 * Names of units leave no ':' in the path; what has one is a path already, in which Kata's agent makes a '/'
 * of it. (A host keeps it, as other runtimes do there.)
 */
static char *parse_path(const char *cgroups_path, struct err *e)
{
	auto_free char *path = cgroups_path_parse(cgroups_path, e);

	if (!path || !strchr(path, ':'))
		return take_ptr(path);
	for (char *colon = path; (colon = strchr(colon, ':'));)
		*colon = '/';
	/* Once more: "a:.." leads outside now. */
	return cgroups_path_parse(path, e);
}

struct cgroup *cgroup_create_at(const char *root, const char *cgroups_path, struct err *e)
{
	struct cgroup *cg = xnew(struct cgroup);
	bool made = false, populated = false;

	cg->rootfd = cg->fd = cg->devices = -1;
	cg->path = parse_path(cgroups_path, e);
	if (!cg->path)
		goto fail;
	cg->rootfd = open(root, dir_flags);
	if (cg->rootfd < 0) {
		err_sys(e, errno, "open '%s'", root);
		goto fail;
	}
	cg->fd = make_path(cg->rootfd, cg->path, &made, e);
	if (cg->fd < 0)
		goto fail;
	if (!made && (cgroup_populated(cg, &populated, e) < 0 || populated)) {
		if (populated)
			err_set(e, ERR_EXISTS, "cgroup '%s' has processes", cg->path);
		goto fail;
	}
	return cg;
fail:
	cgroup_free(cg);
	return NULL;
}

static struct cgroup *create_v1(struct cgroup_v1 *v, const char *cgroups_path, struct err *e)
{
	struct cgroup *cg = xnew(struct cgroup);

	cg->rootfd = cg->fd = cg->devices = -1;
	cg->v1 = xmemdup(v, sizeof(*v));
	cg->path = parse_path(cgroups_path, e);
	if (cg->path && v1_make(cg->v1, cg->path, e) == 0)
		return cg;
	cgroup_free(cg);
	return NULL;
}

struct cgroup *cgroup_create(const char *cgroups_path, const char *container_id, struct err *e)
{
	auto_free char *mountinfo = NULL;
	auto_free char *root = NULL;
	struct cgroup_v1 v;

	if (mountinfo_read(&mountinfo, e) < 0)
		return NULL;
	if (!cgroups_path[0])
		cgroups_path = container_id;
	root = cgroup_root_parse(mountinfo);
	if (root)
		return cgroup_create_at(root, cgroups_path, e);
	if (v1_parse_mounts(mountinfo, &v))
		return create_v1(&v, cgroups_path, e);
	err_set(e, ERR_UNSUPPORTED, "no cgroup file system is mounted");
	return NULL;
}

void cgroup_free(struct cgroup *cg)
{
	if (!cg)
		return;
	if (cg->devices >= 0)
		(void)close(cg->devices);
	if (cg->fd >= 0)
		(void)close(cg->fd);
	if (cg->rootfd >= 0)
		(void)close(cg->rootfd);
	if (cg->v1)
		v1_done(cg->v1);
	free(cg->v1);
	free(cg->path);
	free(cg);
}

char *const *cgroup_files(const struct cgroup *cg)
{
	return cg->v1 ? cg->v1->files : NULL;
}

const char *cgroup_path(const struct cgroup *cg)
{
	return cg->path;
}

int cgroup_fd(const struct cgroup *cg)
{
	return cg->fd;
}

int cgroup_exec_fd(const struct cgroup *cg, struct err *e)
{
	int fd = openat(cg->fd, "init", dir_flags);

	if (fd < 0 && errno == ENOENT)
		fd = openat(cg->fd, ".", dir_flags);
	if (fd < 0)
		return err_sys(e, errno, "open cgroup '%s'", cg->path);
	return fd;
}

bool cgroup_parse_key(const char *text, const char *key, uint64_t *ret)
{
	size_t len = strlen(key);

	for (const char *line = text; *line;) {
		size_t all = strcspn(line, "\n");

		if (strncmp(line, key, len) == 0 && line[len] == ' ') {
			auto_free char *number = xstrndup(line + len + 1, all - len - 1);

			return num_u64(number, 10, ret);
		}
		line += all;
		line += *line == '\n';
	}
	return false;
}

/* The number behind `key` in cgroup.events. */
static int read_event(const struct cgroup *cg, const char *key, bool *ret, struct err *e)
{
	auto_free char *text = NULL;
	uint64_t value;

	if (file_read(cg->fd, "cgroup.events", FILE_MAX_BYTES, &text, NULL, e) < 0)
		return err_wrap(e, "cgroup '%s'", cg->path);
	if (!cgroup_parse_key(text, key, &value))
		return err_set(e, ERR_UNSUPPORTED, "cgroup '%s': no '%s' in cgroup.events",
			       cg->path, key);
	*ret = value != 0;
	return 0;
}

int cgroup_populated(const struct cgroup *cg, bool *ret, struct err *e)
{
	if (cg->v1) {
		auto_free pid_t *pid = NULL;
		size_t n;

		if (v1_pids(cg, &pid, &n, e) < 0)
			return -1;
		*ret = n > 0;
		return 0;
	}
	return read_event(cg, "populated", ret, e);
}

/* ---- Processes ---- */

struct pids {
	pid_t *pid;
	size_t n, room;
};

static void add_pids(struct pids *p, char *text)
{
	char *save = NULL;

	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		uint32_t pid;

		/* 0: a process that has no number in our pid namespace. */
		if (!num_u32(line, 10, &pid) || pid == 0)
			continue;
		if (p->n == p->room) {
			p->room = p->room ? 2 * p->room : 16;
			p->pid = xrealloc(p->pid, p->room * sizeof(*p->pid));
		}
		p->pid[p->n++] = (pid_t)pid;
	}
}

/*
 * Call fn for `dir` and every cgroup below it, those below first. One that vanishes meanwhile is
 * passed over.
 */
static int walk(int dir, const char *name, int parent, int depth,
		int (*fn)(int dir, int parent, const char *name, void *arg, struct err *e),
		void *arg, struct err *e)
{
	int copy = openat(dir, ".", dir_flags);
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	int r = 0;

	if (!d) {
		if (copy >= 0)
			(void)close(copy);
		return errno == ENOENT ? 0 : err_sys(e, errno, "read cgroup");
	}
	while (r == 0 && depth < DEPTH_MAX) {
		struct dirent *de = readdir(d);
		auto_close int below = -1;

		if (!de)
			break;
		if (de->d_type != DT_DIR || de->d_name[0] == '.')
			continue;
		below = openat(dir, de->d_name, dir_flags);
		if (below >= 0)
			r = walk(below, de->d_name, dir, depth + 1, fn, arg, e);
	}
	(void)closedir(d);
	return r < 0 ? r : fn(dir, parent, name, arg, e);
}

static int collect(int dir, int parent, const char *name, void *arg, struct err *e)
{
	auto_free char *text = NULL;
	struct err why = ERR_INIT;

	(void)parent;
	(void)name;
	if (file_read(dir, "cgroup.procs", FILE_MAX_BYTES, &text, NULL, &why) == 0) {
		add_pids(arg, text);
		return 0;
	}
	/* ENODEV, ENOENT: removed meanwhile. EOPNOTSUPP: threaded, its processes are the parent's. */
	if (why.sys == ENODEV || why.sys == ENOENT || why.sys == EOPNOTSUPP)
		return 0;
	*e = why;
	return -1;
}

int cgroup_pids_below(int dir, pid_t **ret, size_t *ret_n, struct err *e)
{
	struct pids p = { .pid = NULL };

	if (walk(dir, NULL, -1, 0, collect, &p, e) < 0) {
		free(p.pid);
		return -1;
	}
	*ret = p.pid;
	*ret_n = p.n;
	return 0;
}

int cgroup_pids(const struct cgroup *cg, pid_t **ret, size_t *ret_n, struct err *e)
{
	int r = cg->v1 ? v1_pids(cg, ret, ret_n, e) : cgroup_pids_below(cg->fd, ret, ret_n, e);

	return r < 0 ? err_wrap(e, "cgroup '%s'", cg->path) : 0;
}

int cgroup_kill(struct cgroup *cg, struct err *e)
{
	struct err why = ERR_INIT;

	if (cg->v1)
		return v1_kill(cg, e);
	if (file_write(cg->fd, "cgroup.kill", "1", 1, &why) == 0 || why.sys == ENODEV)
		return 0;
	/* Kernels before 5.14 have no such file. A fork may escape one pass; not all of them. */
	for (int pass = 0; pass < KILL_PASSES; pass++) {
		auto_free pid_t *pid = NULL;
		size_t n;

		if (cgroup_pids(cg, &pid, &n, e) < 0)
			return -1;
		if (n == 0)
			return 0;
		for (size_t i = 0; i < n; i++)
			(void)kill(pid[i], SIGKILL);
	}
	return 0;
}

static int wait_frozen(const struct cgroup *cg, bool want, struct deadline d, struct err *e)
{
	int64_t pause = POLL_FIRST_MS;

	for (;;) {
		bool frozen;

		if (read_event(cg, "frozen", &frozen, e) < 0)
			return -1;
		if (frozen == want)
			return 0;
		if (deadline_passed(d))
			return err_set(e, ERR_TIMEOUT, "cgroup '%s' is not %s in time", cg->path,
				       want ? "frozen" : "thawed");
		if (fiber_sleep_ms(pause, e) < 0)
			return -1;
		pause = pause * 2 < POLL_LAST_MS ? pause * 2 : POLL_LAST_MS;
	}
}

int cgroup_freeze(struct cgroup *cg, struct deadline d, struct err *e)
{
	if (cg->v1)
		return v1_freeze(cg, true, d, e);
	if (file_write(cg->fd, "cgroup.freeze", "1", 1, e) < 0)
		return err_wrap(e, "freeze cgroup '%s'", cg->path);
	if (wait_frozen(cg, true, d, e) < 0) {
		struct err ignored = ERR_INIT;

		(void)!file_write(cg->fd, "cgroup.freeze", "0", 1, &ignored);
		return -1;
	}
	return 0;
}

int cgroup_thaw(struct cgroup *cg, struct deadline d, struct err *e)
{
	if (cg->v1)
		return v1_freeze(cg, false, d, e);
	if (file_write(cg->fd, "cgroup.freeze", "0", 1, e) < 0)
		return err_wrap(e, "thaw cgroup '%s'", cg->path);
	return wait_frozen(cg, false, d, e);
}

/* ---- Out of memory ---- */

int cgroup_oom_kills(const struct cgroup *cg, uint64_t *ret, struct err *e)
{
	auto_free char *text = NULL;
	struct err why = ERR_INIT;

	if (cg->v1)
		return v1_oom_kills(cg, ret, e);
	if (file_read(cg->fd, "memory.events", FILE_MAX_BYTES, &text, NULL, &why) < 0) {
		if (why.sys != ENOENT) {
			*e = why;
			return err_wrap(e, "cgroup '%s'", cg->path);
		}
		*ret = 0;
		return 0;
	}
	if (!cgroup_parse_key(text, "oom_kill", ret))
		*ret = 0;
	return 0;
}

static int watch_events(const struct cgroup *cg, struct err *e)
{
	auto_close int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	char dir[FD_PATH_MAX];
	auto_free char *memory = xasprintf("%s/memory.events", fd_path(cg->fd, dir));
	auto_free char *events = xasprintf("%s/cgroup.events", dir);

	if (fd < 0)
		return err_sys(e, errno, "inotify_init1");
	if (inotify_add_watch(fd, memory, IN_MODIFY) < 0)
		return errno == ENOENT ? err_set(e, ERR_UNSUPPORTED,
						 "cgroup '%s' has no memory controller", cg->path)
				       : err_sys(e, errno, "watch memory.events of '%s'", cg->path);
	if (inotify_add_watch(fd, events, IN_MODIFY) < 0)
		return err_sys(e, errno, "watch cgroup.events of '%s'", cg->path);
	return take_fd(&fd);
}

int cgroup_watch_fd(const struct cgroup *cg, struct err *e)
{
	return cg->v1 ? v1_watch_fd(cg, e) : watch_events(cg, e);
}

/* ---- Removing ---- */

static int remove_one(int dir, int parent, const char *name, void *arg, struct err *e)
{
	(void)dir;
	(void)arg;
	if (!name || unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return 0;
	return err_sys(e, errno, "remove '%s'", name);
}

int cgroup_remove_below(int dir, struct err *e)
{
	return walk(dir, NULL, -1, 0, remove_one, NULL, e);
}

static int try_remove(const struct cgroup *cg, struct err *e)
{
	if (cg->v1)
		return v1_try_remove(cg, e);
	if (cgroup_remove_below(cg->fd, e) < 0)
		return -1;
	if (unlinkat(cg->rootfd, cg->path + 1, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return err_sys(e, errno, "rmdir");
	return 0;
}

/* A process that has exited stays in its cgroup until it is quite gone: EBUSY for a moment. */
int cgroup_remove(struct cgroup *cg, struct deadline d, struct err *e)
{
	int64_t pause = POLL_FIRST_MS;

	for (;;) {
		struct err why = ERR_INIT;

		if (try_remove(cg, &why) == 0)
			return 0;
		if (why.sys != EBUSY || deadline_passed(d)) {
			*e = why;
			return err_wrap(e, "remove cgroup '%s'", cg->path);
		}
		if (fiber_sleep_ms(pause, e) < 0)
			return -1;
		pause = pause * 2 < POLL_LAST_MS ? pause * 2 : POLL_LAST_MS;
	}
}
