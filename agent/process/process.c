/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a process from its READY to its release; see process.h. launch.c makes it. */
#include "agent/process/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "agent/process/launch.h"
#include "common/async/io.h"
#include "common/base/fd.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/num.h"

/* How long after its exit a process's streams wait for a child of it that still holds them. */
#define STREAM_GRACE_MS 500

/* How long a stream that nobody ever read is kept for a host that may still come to read it. */
#define UNREAD_GRACE_MS 10000

#define KILL_WAIT_MS    10000
#define STATUS_FILE_MAX (64u << 10) /* /proc/PID/status */

struct process *process_ref(struct process *p)
{
	p->refs++;
	return p;
}

void process_unref(struct process *p)
{
	if (--p->refs > 0)
		return;
	child_free(p->child);
	io_free(p->status);
	if (p->start_fd >= 0)
		(void)close(p->start_fd);
	in_stream_free(p->in);
	out_stream_free(p->out);
	out_stream_free(p->err);
	free(p);
}

static bool stream_finished(const struct out_stream *s)
{
	return !s || out_stream_finished(s);
}

static bool streams_finished(const struct process *p)
{
	return stream_finished(p->out) && stream_finished(p->err);
}

static void drop_unread(struct out_stream *s)
{
	if (s && !out_stream_used(s))
		out_stream_drop(s);
}

/* Until something has changed or the deadline has come: the caller tests what. */
static void wait_change(struct process *p, struct deadline d)
{
	struct err ignored = ERR_INIT;

	(void)!cond_wait(&p->changed, d, &ignored);
}

static void wait_streams(struct process *p, struct deadline d)
{
	while (!streams_finished(p) && !p->released && !deadline_passed(d))
		wait_change(p, d);
}

static void end_streams(struct process *p)
{
	if (p->in)
		in_stream_shutdown(p->in);
	if (p->out)
		out_stream_end(p->out);
	if (p->err)
		out_stream_end(p->err);
}

/* The fiber that sees a process through: exit, rest of the output, end. */
static void watch(void *arg)
{
	auto_process struct process *p = arg;
	struct err e = ERR_INIT;
	int code;

	if (child_wait(p->child, DEADLINE_NEVER, &code, &e) < 0) {
		log_error("container %s: %s", p->container_id, e.text);
		return;
	}
	if (p->stood_in_for && code == 128 + SIGKILL)
		code = 128 + p->stood_in_for;
	log_info("container %s: %s%s (pid %d) exited with code %d", p->container_id,
		 p->exec_id[0] ? "exec " : "init", p->exec_id, (int)child_pid(p->child), code);
	p->exit_code = code;
	if (p->on_exit)
		p->on_exit(p, p->arg);
	p->exited = true;
	if (p->in)
		in_stream_shutdown(p->in);
	cond_wake_all(&p->changed);

	wait_streams(p, deadline_in_ms(STREAM_GRACE_MS));
	end_streams(p);
	while (!p->answered && !p->released)
		wait_change(p, DEADLINE_NEVER);
	wait_streams(p, deadline_in_ms(UNREAD_GRACE_MS));
	drop_unread(p->out);
	drop_unread(p->err);
	wait_streams(p, DEADLINE_NEVER);
	if (!p->released && p->on_done)
		p->on_done(p, p->arg);
}

void process_watch(struct process *p)
{
	fiber_start("process", watch, process_ref(p));
}

int process_start(struct process *p, struct deadline d, struct err *e)
{
	const char go = 1;
	int fd = take_fd(&p->start_fd);
	int r;

	if (fd < 0)
		return err_set(e, ERR_STATE, "it has been started before");
	if (p->exited) {
		(void)close(fd);
		return err_set(e, ERR_STATE, "it has ended");
	}
	r = write_all(fd, &go, 1);
	(void)close(fd);
	if (r < 0)
		return err_set(e, ERR_STATE, "it has ended");
	r = stage_wait_exec(p, d, e);
	io_free(p->status);
	p->status = NULL;
	return r;
}

int process_wait(struct process *p, struct deadline d, int *ret_code, struct err *e)
{
	while (!p->exited)
		if (cond_wait(&p->changed, d, e) < 0)
			return -1;
	p->answered = true;
	cond_wake_all(&p->changed);
	*ret_code = p->exit_code;
	return 0;
}

/* The hexadecimal set of signals behind `key` of /proc/PID/status, "\nSigCgt:\t00...\n". */
static uint64_t signal_set(const char *status, const char *key)
{
	const char *line = strstr(status, key);
	auto_free char *digits = NULL;
	uint64_t set = 0;

	if (line) {
		line += strlen(key);
		line += strspn(line, " \t");
		digits = xstrndup(line, strcspn(line, "\n"));
		(void)num_u64(digits, 16, &set);
	}
	return set;
}

/* Is this the first process of its namespace, and would the kernel therefore drop the signal? */
static bool would_drop(pid_t pid, int sig)
{
	auto_free char *path = xasprintf("/proc/%d/status", (int)pid);
	auto_free char *status = NULL;
	struct err ignored = ERR_INIT;
	uint64_t handled;
	const char *line;
	size_t len;

	if (file_read(AT_FDCWD, path, STATUS_FILE_MAX, &status, NULL, &ignored) < 0)
		return false;
	line = strstr(status, "\nNSpid:");
	if (!line)
		return false;
	/* "NSpid:\t812\t1": its number in each namespace, the innermost last. */
	len = strcspn(line + 1, "\n") + 1;
	if (len < 2 || line[len - 1] != '1' || line[len - 2] != '\t')
		return false;
	handled = signal_set(status, "\nSigBlk:") | signal_set(status, "\nSigIgn:") |
		  signal_set(status, "\nSigCgt:");
	return !(handled & (UINT64_C(1) << (sig - 1)));
}

int process_signal(struct process *p, int sig, struct err *e)
{
	if (p->exited)
		return 0;
	if ((sig == SIGTERM || sig == SIGINT) && would_drop(child_pid(p->child), sig)) {
		p->stood_in_for = sig;
		sig = SIGKILL;
	} else if (sig == SIGKILL) {
		p->stood_in_for = 0;
	}
	return child_kill(p->child, sig, e);
}

void process_release(struct process *p)
{
	struct deadline d = deadline_in_ms(KILL_WAIT_MS);
	struct err e = ERR_INIT;

	/* Before the wait: who comes meanwhile must not take it off the container's list once more. */
	p->released = true;
	if (child_kill(p->child, SIGKILL, &e) < 0)
		log_warn("container %s: %s", p->container_id, e.text);
	while (!p->exited && !deadline_passed(d))
		wait_change(p, d);
	p->on_exit = NULL;
	end_streams(p);
	cond_wake_all(&p->changed);
	process_unref(p);
}

int process_read(struct process *p, struct out_stream *s, size_t max,
		 const struct out_stream_mover *mover, uint8_t **ret, size_t *ret_len,
		 struct deadline d, struct err *e)
{
	int r = out_stream_read(s, max, mover, ret, ret_len, d, e);

	if (r == 0 && *ret_len == 0)
		cond_wake_all(&p->changed);
	return r;
}
