/* SPDX-License-Identifier: Apache-2.0 */
/* The cgroup of a sandbox on the host; see host_cgroup.h. */
#include "shim/sandbox/host_cgroup.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "common/async/fiber.h"
#include "common/base/fd.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/mountinfo.h"
#include "common/base/num.h"
#include "common/base/path.h"
#include "common/oci/cgroups_path.h"

#define LIST_FILE       "cgroups"
#define ABSENT_FILE     "cgroups-made" /* which directories of them were not there, one a line */
#define LIST_MAX        (1u << 20)     /* bytes of it */
#define HIERARCHIES_MAX 32             /* the kernel has at most 16 for v1, and one of v2 */

/*
 * Says that a directory was made by one of us: the sandbox that made a parent may end before another
 * that has its own cgroup in there. It needs CAP_SYS_ADMIN, and works on v1 and v2 (fs/kernfs). Of one
 * that was made and not marked yet when the shim was killed, ABSENT_FILE knows.
 */
#define MARK      "trusted.husk"
#define TRIES_MAX 100 /* each further one means that another sandbox's end took a parent away */

/* The kernel lets a cgroup go a moment after its last process was reaped. */
#define EMPTY_WAIT_MS 2
#define EMPTY_TRIES   50

/* Mount points of cgroup file systems; the names of the hierarchies on v1 do not matter to us. */
static int find_hierarchies(char ***ret, struct err *e)
{
	auto_free char *text = NULL;
	struct mountinfo_line line;
	char *rest;

	if (mountinfo_read(&text, e) < 0)
		return -1;
	rest = text;
	while (mountinfo_next(&rest, &line))
		if ((strcmp(line.type, "cgroup") == 0 || strcmp(line.type, "cgroup2") == 0) &&
		    strv_len((const char *const *)*ret) < HIERARCHIES_MAX)
			strv_add(ret, line.point);
	return 0;
}

/*
 * A new cgroup of the v1 cpuset hierarchy has no CPU and no memory node, and takes no process until
 * it has: it gets its parent's.
 */
static int inherit_cpuset(int dir, const char *file, struct err *e)
{
	auto_free char *up = xasprintf("../%s", file);
	auto_free char *have = NULL, *parent = NULL;

	if (file_read_line(dir, file, &have, e) < 0)
		return e->sys == ENOENT ? 0 : -1; /* another hierarchy, or v2 */
	if (*have)
		return 0;
	if (file_read_line(dir, up, &parent, e) < 0)
		return -1;
	return file_write(dir, file, parent, strlen(parent), e);
}

static int prepare_cpuset(const char *path, struct err *e)
{
	auto_close int dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	if (dir < 0)
		return err_sys(e, errno, "open '%s'", path);
	/* v2 has files of these names too, and there empty means inherited. */
	if (fstatat(dir, "cgroup.clone_children", &st, 0) < 0)
		return 0;
	if (inherit_cpuset(dir, "cpuset.cpus", e) < 0 || inherit_cpuset(dir, "cpuset.mems", e) < 0)
		return -1;
	return 0;
}

static bool has_line(const char *text, const char *line)
{
	size_t len = strlen(line);

	for (const char *at = text; at && (at = strstr(at, line)); at += len)
		if ((at == text || at[-1] == '\n') && at[len] == '\n')
			return true;
	return false;
}

/* `made`: the text of ABSENT_FILE; NULL: there is none. */
static bool is_ours(const char *path, const char *made)
{
	return getxattr(path, MARK, NULL, 0) >= 0 || has_line(made, path);
}

/* Below a hierarchy, the directories on the way to `full` that are not there. */
static void add_absent(struct buf *to, const char *full, size_t hierarchy_len)
{
	auto_free char *path = xstrdup(full);

	for (size_t i = hierarchy_len + 1; i <= strlen(full); i++) {
		if (full[i] != '/' && full[i] != '\0')
			continue;
		path[i] = '\0';
		if (access(path, F_OK) < 0)
			buf_addf(to, "%s\n", path);
		path[i] = full[i];
	}
}

/* One directory, which may be there. */
static int make_one(const char *path, struct err *e)
{
	if (mkdir(path, 0755) < 0)
		return errno == EEXIST ? 0 : err_sys(e, errno, "create cgroup '%s'", path);
	if (setxattr(path, MARK, "", 0, 0) == 0)
		return 0;
	err_sys(e, errno, "mark cgroup '%s'", path);
	(void)rmdir(path);
	return -1;
}

/* mkdir -p below a hierarchy. */
static int try_make(const char *full, size_t hierarchy_len, struct err *e)
{
	auto_free char *path = xstrdup(full);

	for (size_t i = hierarchy_len + 1; i <= strlen(full); i++) {
		if (full[i] != '/' && full[i] != '\0')
			continue;
		path[i] = '\0';
		if (make_one(path, e) < 0 || prepare_cpuset(path, e) < 0)
			return -1;
		path[i] = full[i];
	}
	return 0;
}

/* A parent that is there now may go with the sandbox that it was made for: then once more. */
static int make_in(const char *full, size_t hierarchy_len, struct err *e)
{
	struct err why = ERR_INIT;

	for (int i = 0; i < TRIES_MAX; i++) {
		why = ERR_INIT;
		if (try_make(full, hierarchy_len, &why) == 0)
			return 0;
		if (why.sys != ENOENT && why.sys != ENODEV)
			break;
	}
	*e = why;
	return -1;
}

/* v2: a controller has files in a cgroup if every one above hands it down. */
static void hand_down(const char *path, const char *controller)
{
	auto_free char *parent = xasprintf("%.*s", (int)(strrchr(path, '/') - path), path);
	auto_free char *controllers = path_join(parent, "cgroup.controllers");
	auto_free char *control = path_join(parent, "cgroup.subtree_control");
	auto_free char *word = xasprintf("+%s", controller);
	struct err e = ERR_INIT;

	if (*parent == '\0' || access(controllers, F_OK) < 0)
		return;
	hand_down(parent, controller);
	if (file_write(AT_FDCWD, control, word, strlen(word), &e) < 0)
		log_debug("%s", e.text);
}

/*
 * systemd is not asked for a scope: that would need a process in it before there is a VM, and systemd would
 * take the cgroup away, with what it says of an OOM kill, before we look. But the slices above are
 * systemd's: with a daemon-reload or a changed property it takes from them the controllers that none of its
 * own units wants, and the VM had neither its CPUs nor memory.events any more (seen of systemd 252). The
 * kernel refuses that (EBUSY) while a cgroup below hands the controller down as well. One that does has no
 * processes, so they are in another one below it.
 */
static char *cgroup_in(const char *hierarchy, const char *path)
{
	auto_free char *controllers = path_join(hierarchy, "cgroup.controllers");
	bool v2 = access(controllers, F_OK) == 0;

	return xasprintf("%s%s%s", hierarchy, path, v2 && strstr(path, ".slice/") ? "/vmm" : "");
}

static void undo_cgroup(void *arg)
{
	host_cgroup_remove(arg);
}

int host_cgroup_create(const char *cgroups_path, struct directory *d, struct undo *u,
		       char **ret_list, struct err *e)
{
	auto_free char *path = NULL;
	auto_strv char **hierarchies = NULL;
	auto_buf struct buf list = BUF_INIT, absent = BUF_INIT;

	*ret_list = NULL;
	if (!cgroups_path || !*cgroups_path)
		return 0;
	path = cgroups_path_parse(cgroups_path, e);
	if (!path || find_hierarchies(&hierarchies, e) < 0)
		return -1;
	buf_add(&absent, "", 0);
	for (char **h = hierarchies; h && *h; h++) {
		auto_free char *full = cgroup_in(*h, path);

		buf_addf(&list, "%s\n", full);
		add_absent(&absent, full, strlen(*h));
	}
	if (list.len == 0)
		return 0;
	/* Before there is any of them, so that a crash in between leaves none unknown. */
	if (file_replace(d->fd, ABSENT_FILE, absent.data, absent.len, e) < 0 ||
	    file_replace(d->fd, LIST_FILE, list.data, list.len, e) < 0)
		return -1;
	undo_push(u, "cgroup", undo_cgroup, d);
	for (char **h = hierarchies; *h; h++) {
		auto_free char *full = cgroup_in(*h, path);

		if (make_in(full, strlen(*h), e) < 0)
			return -1;
		/* The pod's limit is above; whom it ended here host_cgroup_oom_kills() sees only so. */
		hand_down(full, "memory");
	}
	*ret_list = path_join(d->path, LIST_FILE);
	return 0;
}

static void pause_for_kernel(void)
{
	struct timespec pause = { .tv_nsec = EMPTY_WAIT_MS * 1000000 };
	struct err e = ERR_INIT;

	if (!fiber_running())
		(void)nanosleep(&pause, NULL);
	else if (fiber_sleep_ms(EMPTY_WAIT_MS, &e) < 0)
		log_debug("cancelled while a cgroup becomes empty");
}

/* One with cgroups of others below it is theirs now; one that is busy by itself is waited for. */
static bool remove_one(const char *path, int tries)
{
	for (int i = 0; i < tries; i++) {
		struct stat st;

		if (rmdir(path) == 0 || errno == ENOENT)
			return true;
		if (errno != EBUSY || stat(path, &st) < 0 || st.st_nlink > 2)
			return false;
		if (i + 1 < tries)
			pause_for_kernel();
	}
	log_debug("cgroup '%s' is still in use", path);
	return false;
}

/* Upwards, as far as we made them and nobody uses them. A parent's processes are not waited for. */
static void remove_upwards(char *path, const char *made)
{
	int tries = EMPTY_TRIES;

	for (;;) {
		char *slash = strrchr(path, '/');

		if (access(path, F_OK) == 0 && (!is_ours(path, made) || !remove_one(path, tries)))
			return;
		if (!slash || slash == path)
			return;
		*slash = '\0';
		tries = 1;
	}
}

/* One of the two lists, for free(); NULL if there is none. */
static char *read_list(const struct directory *d, const char *file)
{
	struct err e = ERR_INIT;
	char *text = NULL;

	if (file_read(d->fd, file, LIST_MAX, &text, NULL, &e) < 0 && e.sys != ENOENT)
		log_warn("cgroups of the sandbox: %s", e.text);
	return text;
}

/* ---- CPUs and memory nodes ---- */

/*
 * No text: those of the parent. v2 has a word for that, nothing at all, but takes it only from a cgroup
 * that is empty (ENOSPC, kernel/cgroup/cpuset.c).
 */
static int set_cpuset_file(int dir, bool v1, const char *file, const char *text, struct err *e)
{
	auto_free char *up = xasprintf("../%s%s", file, v1 ? "" : ".effective");
	auto_free char *have = NULL, *parent = NULL;

	if (!text) {
		if (file_read_line(dir, file, &have, e) < 0)
			return -1;
		if (*have == '\0')
			return 0;
		if (file_read_line(dir, up, &parent, e) < 0)
			return -1;
		text = parent;
	}
	return file_write(dir, file, text, strlen(text), e);
}

/* 1: it is done; 0: this hierarchy has no such controller. */
static int set_cpuset(const char *path, const char *cpus, const char *mems, struct err *e)
{
	auto_close int dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	bool v1;

	if (dir < 0)
		return err_sys(e, errno, "open '%s'", path);
	v1 = faccessat(dir, "cgroup.clone_children", F_OK, 0) == 0;
	if (!v1 && faccessat(dir, "cpuset.cpus", F_OK, 0) < 0)
		hand_down(path, "cpuset");
	if (faccessat(dir, "cpuset.cpus", F_OK, 0) < 0)
		return 0;
	if (set_cpuset_file(dir, v1, "cpuset.cpus", cpus, e) < 0 ||
	    set_cpuset_file(dir, v1, "cpuset.mems", mems, e) < 0)
		return err_wrap(e, "cgroup '%s'", path);
	return 1;
}

int host_cgroup_set_cpuset(const struct directory *d, const char *cpus, const char *mems,
			   struct err *e)
{
	auto_free char *text = read_list(d, LIST_FILE);
	char *rest = text, *line;
	bool done = false;

	while ((line = strsep(&rest, "\n"))) {
		int r = *line == '/' ? set_cpuset(line, cpus, mems, e) : 0;

		if (r < 0)
			return -1;
		done = done || r > 0;
	}
	if (text && !done)
		log_info("the host has no cpuset controller: the VM is not bound to CPUs");
	return 0;
}

/* "oom_kill N" stands in a file of version 2, and in another of version 1. */
static uint64_t oom_kills_in(const char *cgroup)
{
	static const char *const names[] = { "memory.events", "memory.oom_control" };
	static const char key[] = "oom_kill ";

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		auto_free char *path = path_join(cgroup, names[i]);
		auto_free char *text = NULL;
		struct err e = ERR_INIT;
		char *rest, *line;
		uint64_t n;

		if (file_read(AT_FDCWD, path, LIST_MAX, &text, NULL, &e) < 0)
			continue;
		rest = text;
		while ((line = strsep(&rest, "\n")))
			if (strncmp(line, key, sizeof(key) - 1) == 0 &&
			    num_u64(line + sizeof(key) - 1, 10, &n))
				return n;
	}
	return 0;
}

uint64_t host_cgroup_oom_kills(const struct directory *d)
{
	auto_free char *text = read_list(d, LIST_FILE);
	char *rest = text, *line;
	uint64_t n = 0;

	while ((line = strsep(&rest, "\n")))
		if (*line == '/')
			n += oom_kills_in(line);
	return n;
}

void host_cgroup_remove(const struct directory *d)
{
	auto_free char *made = read_list(d, ABSENT_FILE);
	auto_free char *text = read_list(d, LIST_FILE);
	char *rest = text, *line;

	while ((line = strsep(&rest, "\n")))
		if (*line == '/')
			remove_upwards(line, made);
}
