/* SPDX-License-Identifier: Apache-2.0 */
/* The cgroup of a sandbox on the host; see host_cgroup.h. */
#include "shim/sandbox/host_cgroup.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/async/fiber.h"
#include "common/base/fd.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/path.h"

#define LIST_FILE       "cgroups"
#define MADE_FILE       "cgroups.made"
#define RECORD_MAX      (1u << 20) /* bytes of either file */
#define MOUNTINFO_MAX   (64u << 20)
#define HIERARCHIES_MAX 32 /* the kernel has at most 16 for v1, and one of v2 */

/* The kernel lets a cgroup go a moment after its last process was reaped. */
#define EMPTY_WAIT_MS 2
#define EMPTY_TRIES   50

/* "a-b-c.slice" lies in "/a.slice/a-b.slice/a-b-c.slice" (systemd.slice(5)). */
static int add_slice(struct buf *b, const char *slice)
{
	size_t len = strlen(slice);

	if (len == 0) {
		slice = "system.slice";
		len = strlen(slice);
	}
	if (len <= 6 || strcmp(slice + len - 6, ".slice") != 0)
		return -1;
	if (strcmp(slice, "-.slice") == 0)
		return 0;
	for (size_t i = 1; i <= len - 6; i++)
		if (slice[i] == '-' || i == len - 6)
			buf_addf(b, "/%.*s.slice", (int)i, slice);
	return 0;
}

static int add_systemd_path(struct buf *b, const char *text)
{
	auto_free char *copy = xstrdup(text);
	char *rest = copy;
	const char *slice = strsep(&rest, ":");
	const char *prefix = strsep(&rest, ":");
	const char *name = strsep(&rest, ":");

	if (!name || rest || !*name || add_slice(b, slice) < 0)
		return -1;
	if (*prefix)
		buf_addf(b, "/%s-%s.scope", prefix, name);
	else
		buf_addf(b, "/%s", name);
	return 0;
}

char *host_cgroup_path(const char *cgroups_path, struct err *e)
{
	auto_buf struct buf b = BUF_INIT;

	if (strchr(cgroups_path, ':') && cgroups_path[0] != '/') {
		if (add_systemd_path(&b, cgroups_path) < 0)
			b.len = 0;
	} else {
		buf_addf(&b, "%s%s", cgroups_path[0] == '/' ? "" : "/", cgroups_path);
	}
	if (b.len <= 1 || !path_is_clean(b.data) || strchr(b.data, '\n')) {
		err_set(e, ERR_INVALID, "cgroupsPath '%.200s' is no path", cgroups_path);
		return NULL;
	}
	return take_ptr(b.data);
}

/* Mount points of cgroup file systems; the names of the hierarchies on v1 do not matter to us. */
static int find_hierarchies(char ***ret, struct err *e)
{
	auto_free char *text = NULL;
	char *rest;

	if (file_read(AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_MAX, &text, NULL, e) < 0)
		return -1;
	rest = text;
	while (rest && *rest) {
		char *line = strsep(&rest, "\n");
		const char *type = strstr(line, " - ");
		char *fields = line, *point = NULL;

		if (!type ||
		    (strncmp(type, " - cgroup ", 10) != 0 && strncmp(type, " - cgroup2 ", 11) != 0))
			continue;
		for (int i = 0; i < 5; i++)
			point = strsep(&fields, " ");
		if (point && *point == '/' && strv_len((const char *const *)*ret) < HIERARCHIES_MAX)
			strv_add(ret, point);
	}
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

/* mkdir -p below a hierarchy; each directory that was not there is noted in `made`. */
static int make_in(const char *hierarchy, const char *path, struct buf *made, char **ret,
		   struct err *e)
{
	auto_free char *full = path_join(hierarchy, path);
	size_t from = strlen(hierarchy) + 1;

	for (size_t i = from; i <= strlen(path) + strlen(hierarchy); i++) {
		char c = full[i];

		if (c != '/' && c != '\0')
			continue;
		full[i] = '\0';
		if (mkdir(full, 0755) == 0)
			buf_addf(made, "%s\n", full);
		else if (errno != EEXIST)
			return err_sys(e, errno, "create cgroup '%s'", full);
		if (prepare_cpuset(full, e) < 0)
			return -1;
		full[i] = c;
	}
	*ret = take_ptr(full);
	return 0;
}

static void undo_cgroup(void *arg)
{
	host_cgroup_remove(arg);
}

static int make_all(char *const *hierarchies, const char *path, struct directory *d,
		    struct buf *list, struct err *e)
{
	auto_buf struct buf made = BUF_INIT;
	int result = 0;

	for (size_t i = 0; hierarchies && hierarchies[i] && result == 0; i++) {
		auto_free char *full = NULL;

		result = make_in(hierarchies[i], path, &made, &full, e);
		if (result == 0)
			buf_addf(list, "%s\n", full);
	}
	/* Recorded also after a failure: what was made until then is to be removed. */
	if (made.len > 0) {
		struct err ignored = ERR_INIT;

		if (file_replace(d->fd, MADE_FILE, made.data, made.len,
				 result == 0 ? e : &ignored) < 0)
			result = -1;
	}
	return result;
}

int host_cgroup_create(const char *cgroups_path, struct directory *d, struct undo *u,
		       char **ret_list, struct err *e)
{
	auto_free char *path = NULL;
	auto_strv char **hierarchies = NULL;
	auto_buf struct buf list = BUF_INIT;

	*ret_list = NULL;
	if (!cgroups_path || !*cgroups_path)
		return 0;
	path = host_cgroup_path(cgroups_path, e);
	if (!path || find_hierarchies(&hierarchies, e) < 0)
		return -1;
	undo_push(u, "cgroup", undo_cgroup, d);
	if (make_all(hierarchies, path, d, &list, e) < 0)
		return -1;
	if (list.len == 0)
		return 0;
	if (file_replace(d->fd, LIST_FILE, list.data, list.len, e) < 0)
		return -1;
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
static void remove_one(const char *path)
{
	for (int i = 0; i < EMPTY_TRIES; i++) {
		struct stat st;

		if (rmdir(path) == 0 || errno != EBUSY)
			return;
		if (stat(path, &st) < 0 || st.st_nlink > 2)
			return;
		pause_for_kernel();
	}
	log_debug("cgroup '%s' is still in use", path);
}

void host_cgroup_remove(const struct directory *d)
{
	auto_free char *text = NULL;
	auto_strv char **made = NULL;
	struct err e = ERR_INIT;
	char *rest, *line;

	if (file_read(d->fd, MADE_FILE, RECORD_MAX, &text, NULL, &e) < 0) {
		if (e.sys != ENOENT)
			log_warn("cgroups of the sandbox: %s", e.text);
		return;
	}
	rest = text;
	while ((line = strsep(&rest, "\n")))
		if (*line)
			strv_add(&made, line);
	for (size_t i = strv_len((const char *const *)made); i > 0; i--)
		remove_one(made[i - 1]);
}
