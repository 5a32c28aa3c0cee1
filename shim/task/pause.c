/* SPDX-License-Identifier: Apache-2.0 */
/* Pause and Resume: the container's cgroup is frozen, not the VM, which may hold others. */
#include "shim/events/task_events.h"
#include "shim/task/container.h"
#include "shim/task/handlers.h"

int on_pause(const struct rpc_call *call, const void *request, void *response, struct err *e)
{
	auto_process struct process *p = process_ref(call->target);
	struct task_service *s = call->self;
	struct agent *agent;

	(void)request;
	(void)response;
	if (container_agent(p->container, &agent, e) < 0 ||
	    agent_pause_container(agent, p->container->id, service_deadline(s, call->deadline), e) <
		    0)
		return err_wrap(e, "pause '%s'", p->container->id);
	/* It may have ended, or another Pause may have answered, while the agent was asked. */
	if (p->state == PROCESS_RUNNING) {
		process_set_state(p, PROCESS_PAUSED);
		event_task_paused(s->publisher, p->container->id);
	}
	return 0;
}

int on_resume(const struct rpc_call *call, const void *request, void *response, struct err *e)
{
	auto_process struct process *p = process_ref(call->target);
	struct task_service *s = call->self;
	struct agent *agent;

	(void)request;
	(void)response;
	if (container_agent(p->container, &agent, e) < 0 ||
	    agent_resume_container(agent, p->container->id, service_deadline(s, call->deadline),
				   e) < 0)
		return err_wrap(e, "resume '%s'", p->container->id);
	if (p->state == PROCESS_PAUSED) {
		process_set_state(p, PROCESS_RUNNING);
		event_task_resumed(s->publisher, p->container->id);
	}
	return 0;
}

int on_checkpoint(const struct rpc_call *call, const void *request, void *response, struct err *e)
{
	(void)call;
	(void)request;
	(void)response;
	return err_set(e, ERR_UNSUPPORTED, "checkpoints of virtual machines are not supported");
}
