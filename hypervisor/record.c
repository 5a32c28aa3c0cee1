/* SPDX-License-Identifier: Apache-2.0 */
/* Processes on record, and how they are ended without their parent; see record.h, hypervisor.h. */
#include "hypervisor/record.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#include "common/async/deadline.h"
#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/num.h"
#include "common/json/json.h"
#include "hypervisor/hypervisor.h"

#define RECORDS_TEXT_MAX (16u * 1024) /* bytes */
#define STAT_TEXT_MAX    4096u        /* bytes */
#define STAT_START_TIME  22           /* fields of /proc/PID/stat are counted from 1 */
#define END_WAIT_MS      20000        /* a killed VMM gives its memory back first */

int record_start_time(pid_t pid, uint64_t *ret)
{
	auto_free char *path = xasprintf("/proc/%d/stat", (int)pid);
	auto_free char *text = NULL;
	struct err e = ERR_INIT;
	char *field, *next;

	if (file_read(AT_FDCWD, path, STAT_TEXT_MAX, &text, NULL, &e) < 0)
		return -1;
	/* Field 2, the name, is in parentheses and may hold anything, more of them included. */
	next = strrchr(text, ')');
	if (!next || next[1] != ' ')
		return -1;
	next += 2;
	for (int i = 3; (field = strsep(&next, " ")); i++)
		if (i == STAT_START_TIME)
			return num_u64(field, 10, ret) ? 0 : -1;
	return -1;
}

int records_write(const char *run_dir, const struct record *list, size_t n, struct err *e)
{
	char *texts[RECORDS_MAX + 1] = { NULL };
	auto_free char *array = NULL;
	auto_free char *text = NULL;
	auto_close int dir = -1;

	for (size_t i = 0; i < n; i++)
		texts[i] = json_object("s:name", list[i].name, "u:pid",
				       (unsigned long long)list[i].pid, "u:start_time",
				       (unsigned long long)list[i].start_time, NULL);
	array = json_array((const char *const *)texts);
	for (size_t i = 0; i < n; i++)
		free(texts[i]);
	text = json_object("o:processes", array, NULL);

	dir = open(run_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_sys(e, errno, "open '%s'", run_dir);
	return file_replace(dir, RECORDS_FILE, text, strlen(text), e);
}

void records_remove(const char *run_dir)
{
	auto_free char *path = xasprintf("%s/" RECORDS_FILE, run_dir);

	(void)unlink(path);
}

static int read_one(const struct json *v, struct record *ret)
{
	const char *name = json_string(json_get(v, "name"));
	uint64_t pid;

	if (!name || !json_u64(json_get(v, "pid"), &pid) || pid < 2 || pid > INT32_MAX ||
	    !json_u64(json_get(v, "start_time"), &ret->start_time))
		return -1;
	ret->pid = (pid_t)pid;
	(void)snprintf(ret->name, sizeof(ret->name), "%s", name);
	return 0;
}

int records_read(const char *run_dir, struct record list[static RECORDS_MAX], struct err *e)
{
	auto_free char *path = xasprintf("%s/" RECORDS_FILE, run_dir);
	auto_json struct json *root = NULL;
	auto_free char *text = NULL;
	const struct json *all;
	struct err absent = ERR_INIT;
	size_t len, n;

	if (file_read(AT_FDCWD, path, RECORDS_TEXT_MAX, &text, &len, &absent) < 0) {
		if (absent.code == ERR_NOT_FOUND)
			return 0;
		*e = absent;
		return -1;
	}
	if (json_parse(text, len, &root, e) < 0)
		return err_wrap(e, "'%s'", path);
	all = json_get(root, "processes");
	n = json_len(all);
	if (n > RECORDS_MAX)
		return err_set(e, ERR_INVALID, "'%s' lists %zu processes, the limit is %d", path, n,
			       RECORDS_MAX);
	for (size_t i = 0; i < n; i++)
		if (read_one(json_at(all, i), &list[i]) < 0)
			return err_set(e, ERR_INVALID, "'%s': process %zu is not a record", path,
				       i);
	return (int)n;
}

/*
 * First the pidfd, then the comparison, then the signal: whoever has the pid when we look keeps it
 * for as long as the pidfd is open, as far as signals are concerned.
 */
static int end_one(const struct record *r, struct deadline d, struct err *e)
{
	auto_close int fd = (int)syscall(SYS_pidfd_open, r->pid, 0);
	uint64_t start_time;
	struct pollfd gone;

	if (fd < 0)
		return errno == ESRCH ? 0 : err_sys(e, errno, "pidfd of %s", r->name);
	if (record_start_time(r->pid, &start_time) < 0 || start_time != r->start_time)
		return 0;
	if (syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0) < 0 && errno != ESRCH)
		return err_sys(e, errno, "kill %s (pid %d)", r->name, (int)r->pid);
	gone = (struct pollfd){ .fd = fd, .events = POLLIN };
	for (;;) {
		int n = poll(&gone, 1, (int)deadline_left_ms(d));

		if (n > 0)
			return 0;
		if (n == 0)
			return err_set(e, ERR_TIMEOUT, "%s (pid %d) does not end after SIGKILL",
				       r->name, (int)r->pid);
		if (errno != EINTR)
			return err_sys(e, errno, "wait for the end of %s", r->name);
	}
}

int hv_clean_up(const char *run_dir, struct err *e)
{
	struct deadline d = deadline_in_ms(END_WAIT_MS);
	struct record list[RECORDS_MAX];
	struct err first = ERR_INIT;
	int n = records_read(run_dir, list, e);

	if (n < 0)
		return -1;
	/* All of them, also when one makes trouble; the trouble is told. */
	for (int i = 0; i < n; i++) {
		struct err one = ERR_INIT;

		if (end_one(&list[i], d, &one) < 0 && first.code == ERR_NONE)
			first = one;
	}
	if (first.code == ERR_NONE) {
		records_remove(run_dir);
		return 0;
	}
	*e = first;
	return -1;
}
