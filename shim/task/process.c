/* SPDX-License-Identifier: Apache-2.0 */
/* One process of a container: its states, its streams, its end; see process.h. */
#include "shim/task/process.h"

#include <assert.h>
#include <string.h>

#include "common/base/mem.h"
#include "shim/events/task_events.h"
#include "shim/task/container.h"

static const struct {
	enum process_state from;
	unsigned to; /* enum process_state bits */
} steps[] = {
	{ PROCESS_CREATING, PROCESS_CREATED },
	{ PROCESS_CREATED, PROCESS_STARTING | PROCESS_STOPPED },
	{ PROCESS_STARTING, PROCESS_RUNNING | PROCESS_STOPPED },
	{ PROCESS_RUNNING, PROCESS_PAUSED | PROCESS_STOPPED },
	{ PROCESS_PAUSED, PROCESS_RUNNING | PROCESS_STOPPED },
};

const char *process_state_name(enum process_state state)
{
	switch (state) {
	case PROCESS_CREATING:
		return "being created";
	case PROCESS_CREATED:
		return "created";
	case PROCESS_STARTING:
		return "being started";
	case PROCESS_RUNNING:
		return "running";
	case PROCESS_PAUSED:
		return "paused";
	case PROCESS_STOPPED:
		return "stopped";
	}
	return "in no known state";
}

struct process *process_new(struct container *c, const char *exec_id)
{
	struct process *p = xnew(struct process);

	assert(strlen(exec_id) <= ID_MAX);
	p->container = c;
	memcpy(p->exec_id, exec_id, strlen(exec_id) + 1);
	p->state = PROCESS_CREATING;
	p->stdin_uri = xstrdup("");
	p->stdout_uri = xstrdup("");
	p->stderr_uri = xstrdup("");
	p->changed = COND_INIT;
	p->refs = 1;
	return p;
}

struct process *process_ref(struct process *p)
{
	if (process_is_init(p))
		container_ref(p->container);
	else
		p->refs++;
	return p;
}

void process_free(struct process *p)
{
	stdio_free(p->io);
	oci_process_free(p->spec);
	free(p->stdin_uri);
	free(p->stdout_uri);
	free(p->stderr_uri);
	free(p);
}

void process_unref(struct process *p)
{
	struct container *c = p->container;

	if (process_is_init(p)) {
		container_unref(c);
	} else if (--p->refs == 0) {
		process_free(p);
		container_unref(c);
	}
}

void process_set_streams(struct process *p, const char *stdin_uri, const char *stdout_uri,
			 const char *stderr_uri, bool terminal)
{
	free(p->stdin_uri);
	free(p->stdout_uri);
	free(p->stderr_uri);
	p->stdin_uri = xstrdup(stdin_uri);
	p->stdout_uri = xstrdup(stdout_uri);
	p->stderr_uri = xstrdup(stderr_uri);
	p->terminal = terminal;
}

int process_open_streams(struct process *p, struct deadline d, struct err *e)
{
	const struct stdio_params params = {
		.ns = p->container->service->ns,
		.id = p->container->id,
		.exec_id = p->exec_id,
		.stdin_uri = p->stdin_uri,
		.stdout_uri = p->stdout_uri,
		.stderr_uri = p->stderr_uri,
		.terminal = p->terminal,
	};

	return stdio_open(&params, d, &p->io, e);
}

void process_set_state(struct process *p, enum process_state state)
{
	bool known = false;

	for (size_t i = 0; i < ARRAY_LEN(steps); i++)
		known |= steps[i].from == p->state && (steps[i].to & state);
	assert(known);
	p->state = state;
	cond_wake_all(&p->changed);
}

bool process_is_init(const struct process *p)
{
	return p->exec_id[0] == '\0';
}

struct timespec process_now(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return now;
}

void process_set_exited(struct process *p, uint32_t status, struct timespec at)
{
	const struct container *c = p->container;

	if (p->state == PROCESS_STOPPED)
		return;
	p->exit_status = status;
	p->exited_at = at;
	event_task_exit(c->service->publisher,
			&(struct task_exit_event){
				.container_id = c->id,
				.id = process_is_init(p) ? c->id : p->exec_id,
				.pid = service_pid(c->service),
				.exit_status = status,
				.exited_at = at,
			});
	process_set_state(p, PROCESS_STOPPED);
}
