/* SPDX-License-Identifier: Apache-2.0 */
/* Making, watching and removing a container's cgroups of version 1; see v1.h. */
#include "agent/cgroup/v1.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/async/fiber.h"
#include "common/base/fd.h"
#include "common/base/mountinfo.h"
#include "common/base/num.h"
#include "common/base/path.h"

#define FILE_MAX_BYTES (1u << 20)
#define KILL_PASSES    64
#define POLL_FIRST_MS  1
#define POLL_LAST_MS   50

static const int dir_flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW;

static const char *const known[] = { "cpu",      "cpuacct",    "cpuset", "memory",  "pids",
				     "devices",  "freezer",    "blkio",  "hugetlb", "net_cls",
				     "net_prio", "perf_event", "rdma" };

/* The controllers among the options of a superblock, ",cpu,cpuacct,"; NULL: none, as of name=systemd. */
static char *controllers_of(const char *options)
{
	auto_buf struct buf list = BUF_INIT;
	auto_free char *copy = xstrdup(options);
	char *save = NULL;

	buf_addf(&list, ",");
	for (char *word = strtok_r(copy, ",", &save); word; word = strtok_r(NULL, ",", &save))
		for (size_t i = 0; i < ARRAY_LEN(known); i++)
			if (strcmp(word, known[i]) == 0)
				buf_addf(&list, "%s,", word);
	return list.len > 1 ? take_ptr(list.data) : NULL;
}

static void add(struct cgroup_v1 *v, const struct mountinfo_line *line)
{
	char *controllers;

	if (strcmp(line->type, "cgroup") != 0 || v->n == V1_HIERARCHIES_MAX)
		return;
	controllers = controllers_of(line->super);
	if (!controllers)
		return;
	v->h[v->n++] = (struct v1_hierarchy){
		.controllers = controllers,
		.mount_point = xstrdup(line->point),
		.rootfd = -1,
		.fd = -1,
	};
}

bool v1_parse_mounts(const char *mountinfo, struct cgroup_v1 *ret)
{
	auto_free char *copy = xstrdup(mountinfo);
	struct mountinfo_line line;
	char *rest = copy;

	*ret = (struct cgroup_v1){ .n = 0 };
	while (mountinfo_next(&rest, &line))
		add(ret, &line);
	return ret->n > 0;
}

void v1_done(struct cgroup_v1 *v)
{
	for (size_t i = 0; i < v->n; i++) {
		if (v->h[i].rootfd >= 0)
			(void)close(v->h[i].rootfd);
		if (v->h[i].fd >= 0)
			(void)close(v->h[i].fd);
		free(v->h[i].controllers);
		free(v->h[i].mount_point);
	}
	strv_free(v->files);
	*v = (struct cgroup_v1){ .n = 0 };
}

static const struct v1_hierarchy *find(const struct cgroup *cg, const char *controller)
{
	auto_free char *word = xasprintf(",%s,", controller);

	for (size_t i = 0; i < cg->v1->n; i++)
		if (strstr(cg->v1->h[i].controllers, word))
			return &cg->v1->h[i];
	return NULL;
}

int v1_dir(const struct cgroup *cg, const char *controller)
{
	const struct v1_hierarchy *h = find(cg, controller);

	return h ? h->fd : -1;
}

/* A cpuset without processors or memory takes no processes. */
static int inherit_cpuset(int parent, int dir, struct err *e)
{
	static const char *const files[] = { "cpuset.cpus", "cpuset.mems" };

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		auto_free char *own = NULL;
		auto_free char *given = NULL;

		if (file_read_line(dir, files[i], &own, e) < 0)
			return -1;
		if (own[0] != '\0')
			continue;
		if (file_read_line(parent, files[i], &given, e) < 0 ||
		    file_write(dir, files[i], given, strlen(given), e) < 0)
			return -1;
	}
	return 0;
}

static int make_in(struct v1_hierarchy *h, const char *path, struct err *e)
{
	auto_free char *rest = xstrdup(path);
	auto_close int dir = -1;
	char *save = NULL;

	h->rootfd = open(h->mount_point, dir_flags);
	dir = h->rootfd < 0 ? -1 : openat(h->rootfd, ".", dir_flags);
	if (dir < 0)
		return err_sys(e, errno, "open '%s'", h->mount_point);
	for (char *name = strtok_r(rest, "/", &save); name; name = strtok_r(NULL, "/", &save)) {
		int next;

		if (mkdirat(dir, name, 0755) < 0 && errno != EEXIST)
			return err_sys(e, errno, "create cgroup '%s%s'", h->mount_point, path);
		next = openat(dir, name, dir_flags);
		if (next < 0)
			return err_sys(e, errno, "open cgroup '%s%s'", h->mount_point, path);
		if (strstr(h->controllers, ",cpuset,") && inherit_cpuset(dir, next, e) < 0) {
			(void)close(next);
			return err_wrap(e, "cgroup '%s%s'", h->mount_point, path);
		}
		(void)close(dir);
		dir = next;
	}
	h->fd = take_fd(&dir);
	return 0;
}

int v1_make(struct cgroup_v1 *v, const char *path, struct err *e)
{
	for (size_t i = 0; i < v->n; i++) {
		auto_free char *procs = NULL;
		auto_free char *file = NULL;

		if (make_in(&v->h[i], path, e) < 0)
			return -1;
		if (file_read(v->h[i].fd, "cgroup.procs", FILE_MAX_BYTES, &procs, NULL, e) < 0)
			return -1;
		if (procs[0])
			return err_set(e, ERR_EXISTS, "cgroup '%s' has processes", path);
		file = xasprintf("%s%s/cgroup.procs", v->h[i].mount_point, path);
		strv_add(&v->files, file);
	}
	return 0;
}

int v1_pids(const struct cgroup *cg, pid_t **ret, size_t *ret_n, struct err *e)
{
	int dir = v1_dir(cg, "freezer");

	return cgroup_pids_below(dir >= 0 ? dir : cg->v1->h[0].fd, ret, ret_n, e);
}

int v1_kill(struct cgroup *cg, struct err *e)
{
	int freezer = v1_dir(cg, "freezer");
	struct err ignored = ERR_INIT;

	for (int pass = 0; pass < KILL_PASSES; pass++) {
		auto_free pid_t *pid = NULL;
		size_t n;

		if (v1_pids(cg, &pid, &n, e) < 0)
			return -1;
		if (n == 0)
			return 0;
		for (size_t i = 0; i < n; i++)
			(void)kill(pid[i], SIGKILL);
		/* What is frozen dies when it is thawed. */
		if (freezer >= 0)
			(void)!file_write(freezer, "freezer.state", "THAWED", 6, &ignored);
	}
	return 0;
}

int v1_freeze(struct cgroup *cg, bool freeze, struct deadline d, struct err *e)
{
	const char *want = freeze ? "FROZEN" : "THAWED";
	int dir = v1_dir(cg, "freezer");
	int64_t pause = POLL_FIRST_MS;

	if (dir < 0)
		return err_set(e, ERR_UNSUPPORTED, "the guest has no freezer controller");
	for (;;) {
		auto_free char *state = NULL;

		/* Written again: a process that was forked meanwhile may have been missed. */
		if (file_write(dir, "freezer.state", want, strlen(want), e) < 0 ||
		    file_read_line(dir, "freezer.state", &state, e) < 0)
			return err_wrap(e, "cgroup '%s'", cg->path);
		if (strcmp(state, want) == 0)
			return 0;
		if (deadline_passed(d)) {
			struct err ignored = ERR_INIT;

			if (freeze)
				(void)!file_write(dir, "freezer.state", "THAWED", 6, &ignored);
			return err_set(e, ERR_TIMEOUT, "cgroup '%s' is not %s in time", cg->path,
				       freeze ? "frozen" : "thawed");
		}
		if (fiber_sleep_ms(pause, e) < 0)
			return -1;
		pause = pause * 2 < POLL_LAST_MS ? pause * 2 : POLL_LAST_MS;
	}
}

int v1_oom_kills(const struct cgroup *cg, uint64_t *ret, struct err *e)
{
	auto_free char *text = NULL;
	int dir = v1_dir(cg, "memory");

	*ret = 0;
	if (dir < 0)
		return 0;
	if (file_read(dir, "memory.oom_control", FILE_MAX_BYTES, &text, NULL, e) < 0)
		return err_wrap(e, "cgroup '%s'", cg->path);
	(void)!cgroup_parse_key(text, "oom_kill", ret);
	return 0;
}

/* cgroup-v1/memory, "OOM Control": the kernel writes to an event descriptor, also when it is removed. */
int v1_watch_fd(const struct cgroup *cg, struct err *e)
{
	int dir = v1_dir(cg, "memory");
	auto_close int event = -1;
	auto_close int control = -1;

	if (dir < 0)
		return err_set(e, ERR_UNSUPPORTED, "cgroup '%s' has no memory controller",
			       cg->path);
	event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	control = openat(dir, "memory.oom_control", O_RDONLY | O_CLOEXEC);
	if (event < 0 || control < 0)
		return err_sys(e, errno, "watch memory.oom_control of '%s'", cg->path);
	if (file_writef(dir, "cgroup.event_control", e, "%d %d", event, control) < 0)
		return err_wrap(e, "cgroup '%s'", cg->path);
	return take_fd(&event);
}

int v1_try_remove(const struct cgroup *cg, struct err *e)
{
	for (size_t i = 0; i < cg->v1->n; i++) {
		const struct v1_hierarchy *h = &cg->v1->h[i];

		if (h->fd >= 0 && cgroup_remove_below(h->fd, e) < 0)
			return -1;
		if (h->rootfd >= 0 && unlinkat(h->rootfd, cg->path + 1, AT_REMOVEDIR) < 0 &&
		    errno != ENOENT)
			return err_sys(e, errno, "rmdir");
	}
	return 0;
}

int v1_widen_cpuset(struct cgroup *cg, const char *cpus, struct err *e)
{
	const struct v1_hierarchy *h = find(cg, "cpuset");
	auto_free char *path = xstrdup(cg->path + 1);

	if (!h)
		return 0;
	/* From the top: none can have what its parent has not got. */
	for (char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		auto_free char *file = NULL;

		*slash = '\0';
		file = xasprintf("%s/cpuset.cpus", path);
		*slash = '/';
		if (file_writef(h->rootfd, file, e, "%s\n", cpus) < 0)
			return -1;
	}
	return 0;
}
