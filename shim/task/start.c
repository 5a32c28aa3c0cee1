/* SPDX-License-Identifier: Apache-2.0 */
/* Start: let the prepared init process run, or run a recorded exec. */
#include "common/base/log.h"
#include "common/oci/to_agent.h"
#include "shim/events/task_events.h"
#include "shim/task/container.h"
#include "shim/task/handlers.h"
#include "shim/task/watch.h"

static int start_init(struct process *p, struct agent *agent, struct deadline d, struct err *e)
{
	struct container *c = p->container;

	if (container_owns_sandbox(c) && sandbox_update_network(c->service->sandbox, d, e) < 0)
		return -1;
	if (c->is_sandbox)
		return 0; /* the machine runs */
	if (agent_start_container(agent, c->id, d, e) < 0)
		return -1;
	if (c->handle)
		sandbox_container_started(c->handle, d);
	return 0;
}

static int start_exec(struct process *p, struct agent *agent, struct deadline d, struct err *e)
{
	const struct container *c = p->container;
	Grpc__Process *process;
	int result;

	/* Its streams are opened now and not at Exec: an exec that is never started holds nothing. */
	if (process_open_streams(p, d, e) < 0)
		return -1;
	process = oci_process_to_agent(p->spec);
	result = agent_exec_process(agent, c->id, p->exec_id, process, d, e);
	grpc__process__free_unpacked(process, NULL);
	return result;
}

/* It runs: what was asked of it before now is done now. */
static void connect_streams(struct process *p, struct agent *agent, struct deadline d)
{
	struct err e = ERR_INIT;

	p->attached = true;
	stdio_attach(p->io, agent);
	if (p->stdin_closed)
		stdio_close_stdin(p->io);
	if (p->terminal && (p->rows || p->columns) &&
	    agent_resize_tty(agent, p->container->id, p->exec_id, p->rows, p->columns, d, &e) < 0)
		log_debug("terminal of %s '%s': %s", p->container->id, p->exec_id, e.text);
}

static int start(struct process *p, struct deadline d, struct err *e)
{
	struct task_service *s = p->container->service;
	struct agent *agent;
	int result;

	if (!process_is_init(p) && p->container->init->state != PROCESS_RUNNING)
		return err_set(e, ERR_STATE, "container '%s' is %s", p->container->id,
			       process_state_name(p->container->init->state));
	process_set_state(p, PROCESS_STARTING);
	result = service_agent(s, &agent, e);
	if (result == 0)
		result = process_is_init(p) ? start_init(p, agent, d, e)
					    : start_exec(p, agent, d, e);
	/* Whatever else ended it meanwhile has said so already; its streams may be newer than that. */
	if (p->state != PROCESS_STARTING) {
		stdio_free(take_ptr(p->io));
		return result < 0 ? -1 : err_set(e, ERR_UNAVAILABLE, "it ended while it started");
	}
	if (result < 0) {
		/* containerd looks at the error; a client that waits already looks at the exit. */
		process_finish(p, EXIT_STATUS_UNKNOWN, process_now());
		return -1;
	}

	process_set_state(p, PROCESS_RUNNING);
	if (process_is_init(p))
		event_task_start(s->publisher, p->container->id, service_pid(s));
	else
		event_task_exec_started(s->publisher, p->container->id, p->exec_id, service_pid(s));
	if (p->container->is_sandbox)
		return 0;
	/* Only now: the exit of a process comes behind its start. */
	watch_process(p);
	connect_streams(p, agent, d);
	return 0;
}

int on_start(const struct rpc_call *call, const void *request, void *response, struct err *e)
{
	Containerd__Task__V2__StartResponse *resp = response;
	auto_process struct process *p = process_ref(call->target);
	struct task_service *s = call->self;

	(void)request;
	if (start(p, service_deadline(s, call->deadline), e) < 0) {
		err_wrap(e, "start %s '%s'", process_is_init(p) ? "task" : "process",
			 process_is_init(p) ? p->container->id : p->exec_id);
		log_error("%s", e->text);
		return -1;
	}
	log_info("%s '%s' of task %s started", process_is_init(p) ? "init process" : "process",
		 p->exec_id, p->container->id);
	resp->pid = (uint32_t)service_pid(s);
	return 0;
}
