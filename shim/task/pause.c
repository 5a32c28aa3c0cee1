/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pause and Resume: the container's cgroup is frozen, not the VM, which may hold others. One at a time, since
 * the guest's answers to two may come in another order than what they did:
 *
 *               Pause, freezing            Resume, freezing
 *      RUNNING -----------------> PAUSED ------------------> RUNNING
 *         |  a failure: as before            a failure: as before
 *         +--- the end, whenever it comes ---> STOPPED, which stays
 */
#include "common/base/log.h"
#include "shim/events/task_events.h"
#include "shim/task/container.h"
#include "shim/task/handlers.h"

#define THAW_MS 5000 /* of a Pause that came too late */

/* It may have ended, or another one may have been here, since the method table was asked. */
static int begin(struct process *p, enum process_state from, struct deadline d, struct err *e)
{
	while (p->freezing)
		if (cond_wait(&p->changed, d, e) < 0)
			return err_wrap(e, "wait for another Pause or Resume");
	if (p->state != from)
		return err_set(e, ERR_STATE, "it is %s", process_state_name(p->state));
	p->freezing = true;
	return 0;
}

static void end(struct process *p)
{
	p->freezing = false;
	cond_wake_all(&p->changed);
}

static int freeze(struct process *p, struct deadline d, struct err *e)
{
	const char *id = p->container->id;
	struct err ignored = ERR_INIT;
	struct agent *agent;

	if (container_agent(p->container, &agent, e) < 0)
		return -1;
	if (agent_pause_container(agent, id, d, e) == 0)
		return 0;
	/* The guest may do it all the same: what is said to run nobody would resume. */
	if (e->code == ERR_TIMEOUT &&
	    agent_resume_container(agent, id, deadline_in_ms(THAW_MS), &ignored) < 0)
		log_debug("resume '%s' after a Pause that was too late: %s", id, ignored.text);
	return -1;
}

static int thaw(struct process *p, struct deadline d, struct err *e)
{
	struct agent *agent;

	if (container_agent(p->container, &agent, e) < 0)
		return -1;
	if (agent_resume_container(agent, p->container->id, d, e) == 0)
		return 0;
	if (e->code != ERR_STATE)
		return -1;
	/* It is not paused: the answer to an earlier Resume was lost. */
	log_info("resume '%s': %s", p->container->id, e->text);
	*e = ERR_INIT;
	return 0;
}

int on_pause(const struct rpc_call *call, const void *request, void *response, struct err *e)
{
	auto_process struct process *p = process_ref(call->target);
	struct task_service *s = call->self;
	struct deadline d = service_deadline(s, call->deadline);
	int result;

	(void)request;
	(void)response;
	if (begin(p, PROCESS_RUNNING, d, e) < 0)
		return err_wrap(e, "pause '%s'", p->container->id);
	result = freeze(p, d, e);
	/* It may have ended meanwhile. */
	if (result == 0 && p->state == PROCESS_RUNNING) {
		process_set_state(p, PROCESS_PAUSED);
		event_task_paused(s->publisher, p->container->id);
	}
	end(p);
	return result < 0 ? err_wrap(e, "pause '%s'", p->container->id) : 0;
}

int on_resume(const struct rpc_call *call, const void *request, void *response, struct err *e)
{
	auto_process struct process *p = process_ref(call->target);
	struct task_service *s = call->self;
	struct deadline d = service_deadline(s, call->deadline);
	int result;

	(void)request;
	(void)response;
	if (begin(p, PROCESS_PAUSED, d, e) < 0)
		return err_wrap(e, "resume '%s'", p->container->id);
	result = thaw(p, d, e);
	if (result == 0 && p->state == PROCESS_PAUSED) {
		process_set_state(p, PROCESS_RUNNING);
		event_task_resumed(s->publisher, p->container->id);
	}
	end(p);
	return result < 0 ? err_wrap(e, "resume '%s'", p->container->id) : 0;
}

int on_checkpoint(const struct rpc_call *call, const void *request, void *response, struct err *e)
{
	(void)call;
	(void)request;
	(void)response;
	return err_set(e, ERR_UNSUPPORTED, "checkpoints of virtual machines are not supported");
}
