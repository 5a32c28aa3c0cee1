/* SPDX-License-Identifier: Apache-2.0 */
/* The processes of a virtual machine: started confined, listened to, watched; see process.h. */
#include "hypervisor/process.h"

#include <assert.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>

#include "common/async/fiber.h"
#include "common/async/io.h"
#include "common/base/log.h"
#include "hypervisor/driver.h"
#include "hypervisor/record.h"

/*
 * What a process said last is in the pipe when it dies. A grandchild that holds the other end must
 * not keep the news of its death from anybody for longer than this.
 */
#define LAST_OUTPUT_MS 50

struct hv_process {
	struct hv *hv;
	const char *name;
	struct child *child;
	struct io *output;
	bool output_ended;
	struct cond ended; /* output_ended was set */
	struct console said;
	struct fiber_group fibers; /* reader and watcher */
	bool stopping;
	struct hv_process *next;
};

static void log_line(const char *line, void *arg)
{
	const struct hv_process *p = arg;

	log_debug("%s: %s", p->name, line);
}

static void read_output(void *arg)
{
	struct hv_process *p = arg;
	struct err e = ERR_INIT;
	char bytes[4096];
	ssize_t n;

	while ((n = io_read(p->output, bytes, sizeof(bytes), DEADLINE_NEVER, &e)) > 0)
		console_feed(&p->said, bytes, (size_t)n);
	p->output_ended = true;
	cond_wake_all(&p->ended);
}

static void watch(void *arg)
{
	struct hv_process *p = arg;
	struct err e = ERR_INIT;
	struct deadline limit;
	int code;

	/* Only a cancel ends this wait early, and nobody cancels: the undo entry kills the child. */
	if (child_wait(p->child, DEADLINE_NEVER, &code, &e) < 0)
		return;
	if (p->stopping)
		return;
	limit = deadline_in_ms(LAST_OUTPUT_MS);
	while (!p->output_ended && cond_wait(&p->ended, limit, &e) == 0)
		continue;
	if (!p->hv->dead)
		p->hv->dead_process = (struct hv_dead_process){ .name = p->name,
								.pid = child_pid(p->child),
								.exit_code = code };
	if (code == 128 + SIGKILL)
		/* Nobody here does that: the kernel, for want of memory, or a person. */
		hv_note_death(p->hv, ERR_UNAVAILABLE,
			      "%s (pid %d) was killed by signal 9 (host OOM?)", p->name,
			      (int)child_pid(p->child));
	else if (code > 128)
		hv_note_death(p->hv, ERR_UNAVAILABLE, "%s (pid %d) was killed by signal %d",
			      p->name, (int)child_pid(p->child), code - 128);
	else
		hv_note_death(p->hv, ERR_UNAVAILABLE, "%s (pid %d) ended with exit code %d",
			      p->name, (int)child_pid(p->child), code);
}

static void process_free(struct hv_process *p)
{
	child_free(p->child);
	io_free(p->output);
	console_done(&p->said);
	free(p);
}

static void unlist(struct hv_process *p)
{
	struct hv_process **at = &p->hv->processes;

	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
}

static void process_stop(void *arg)
{
	struct hv_process *p = arg;
	struct err e = ERR_INIT;

	p->stopping = true;
	if (child_kill(p->child, SIGKILL, &e) < 0)
		log_warn("stop %s: %s", p->name, e.text);
	io_shutdown(p->output);
	fiber_group_wait(&p->fibers);
	unlist(p);
	process_free(p);
}

static int write_records(const struct hv *hv, struct err *e)
{
	struct record list[RECORDS_MAX];
	size_t n = 0;

	for (const struct hv_process *p = hv->processes; p && n < RECORDS_MAX; p = p->next) {
		list[n].pid = child_pid(p->child);
		(void)strncpy(list[n].name, p->name, sizeof(list[n].name) - 1);
		list[n].name[sizeof(list[n].name) - 1] = '\0';
		/* Dead already: nothing to kill later. */
		if (record_start_time(list[n].pid, &list[n].start_time) < 0)
			continue;
		n++;
	}
	return records_write(hv->spec.run_dir, list, n, e);
}

static int spawn(struct hv_process *p, const struct hv_process_spec *s, int output, struct err *e)
{
	struct child_fd fds[HV_PROCESS_FDS_MAX + 2];
	struct child_spec spec = {
		.name = s->name,
		.argv = s->argv,
		.cwd = s->cwd ? s->cwd : "/",
		.fds = fds,
		.n_fds = s->n_fds + 2,
		.new_session = true,
		.die_with_parent = true,
	};

	assert(s->n_fds <= HV_PROCESS_FDS_MAX);
	for (size_t i = 0; i < s->n_fds; i++)
		fds[i] = s->fds[i];
	fds[s->n_fds] = (struct child_fd){ .from = output, .to = STDOUT_FILENO };
	fds[s->n_fds + 1] = (struct child_fd){ .from = output, .to = STDERR_FILENO };
	if (s->confine) {
		spec.clone_flags = confine_clone_flags(s->confine);
		spec.before_exec = confine_enter;
		spec.arg = s->confine;
	}
	p->child = child_spawn(&spec, e);
	return p->child ? 0 : -1;
}

struct hv_process *hv_process_start(struct hv *hv, const struct hv_process_spec *s, struct undo *u,
				    struct err *e)
{
	struct hv_process *p;
	auto_close int theirs = -1;
	int pipe_fds[2];

	if (pipe2(pipe_fds, O_CLOEXEC) < 0) {
		err_sys(e, errno, "pipe for the output of %s", s->name);
		return NULL;
	}
	theirs = pipe_fds[1];
	p = xnew(struct hv_process);
	p->hv = hv;
	p->name = s->name;
	if (hv->spec.config->hypervisor.enable_debug) {
		p->said.on_line = log_line;
		p->said.arg = p;
	}
	p->output = io_consume(pipe_fds[0], e);
	if (!p->output || spawn(p, s, theirs, e) < 0) {
		process_free(p);
		return NULL;
	}
	fiber_group_start(&p->fibers, "process output", read_output, p);
	fiber_group_start(&p->fibers, "process watch", watch, p);
	p->next = hv->processes;
	hv->processes = p;
	undo_push(u, s->name, process_stop, p);

	if (write_records(hv, e) < 0)
		return NULL;
	return p;
}

pid_t hv_process_pid(const struct hv_process *p)
{
	return child_pid(p->child);
}

void hv_process_kill(struct hv_process *p)
{
	struct err e = ERR_INIT;

	if (child_kill(p->child, SIGKILL, &e) < 0)
		log_debug("%s", e.text);
}

bool hv_process_exited(const struct hv_process *p)
{
	return child_exited(p->child);
}

const char *hv_process_name(const struct hv_process *p)
{
	return p->name;
}

const struct console *hv_process_output(const struct hv_process *p)
{
	return &p->said;
}

struct hv_process *hv_process_next(const struct hv_process *p)
{
	return p->next;
}
