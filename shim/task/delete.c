/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Delete: hand back how a process ended and forget it; for an init process also all that the
 * container held. A second Delete that comes meanwhile waits and gets the same answer, or takes over from
 * one whose time is up.
 */
#include "common/base/log.h"
#include "shim/events/task_events.h"
#include "shim/task/container.h"
#include "shim/task/handlers.h"
#include "shim/task/watch.h"

/* containerd gives the whole handling of an exit 10 s (containerd-shim.md 1.8). */
#define DELETE_MS 9000

static int not_found(const struct process *p, struct err *e)
{
	return err_set(e, ERR_NOT_FOUND, "task '%s' not found", p->container->id);
}

/* The caller of Create gave up and wants what there is of it gone. */
static int abort_creation(struct process *p, struct deadline d, struct err *e)
{
	p->container->unwanted = true;
	fiber_group_cancel(&p->container->creating);
	while (p->state == PROCESS_CREATING && !p->deleted)
		if (cond_wait(&p->changed, d, e) < 0)
			return err_wrap(e, "wait for the end of its creation");
	return p->deleted ? not_found(p, e) : 0;
}

/* It is deleted then, unless the other one had to give up. */
static int wait_for_other(struct process *p, struct deadline d, struct err *e)
{
	while (p->deleting && !p->deleted)
		if (cond_wait(&p->changed, d, e) < 0)
			return err_wrap(e, "wait for another Delete");
	return 0;
}

static int delete_container(struct container *c, struct deadline d, struct err *e)
{
	struct task_service *s = c->service;

	if (container_owns_sandbox(c) && service_wait_ended(s, d, e) < 0)
		return -1;
	if (c->handle)
		sandbox_remove_container(take_ptr(c->handle), d);
	event_task_delete(s->publisher, &(struct task_exit_event){
						.container_id = c->id,
						.id = c->id,
						.pid = service_pid(s),
						.exit_status = c->init->exit_status,
						.exited_at = c->init->exited_at,
					});
	container_forget(c);
	log_info("task %s deleted", c->id);
	/* What a failed start of the owner may have left; nobody else will come for it. */
	if (!s->containers && !s->api)
		service_end_sandbox(s);
	return 0;
}

static int delete (struct process *p, struct deadline d, struct err *e)
{
	int result;

	if (p->state == PROCESS_CREATING && abort_creation(p, d, e) < 0)
		return -1;
	if (wait_for_other(p, d, e) < 0)
		return -1;
	if (p->deleted)
		return 0;
	if (p->state == PROCESS_CREATED)
		process_finish(p, EXIT_STATUS_KILLED, process_now());
	if (p->state != PROCESS_STOPPED)
		return err_set(e, ERR_STATE, "it is %s", process_state_name(p->state));

	p->deleting = true;
	if (process_is_init(p)) {
		result = delete_container(p->container, d, e);
	} else {
		container_forget_exec(p);
		result = 0;
	}
	if (result < 0) {
		p->deleting = false;
		cond_wake_all(&p->changed);
	}
	return result;
}

int on_delete(const struct rpc_call *call, const void *request, void *response, struct err *e)
{
	const Containerd__Task__V2__DeleteRequest *req = request;
	Containerd__Task__V2__DeleteResponse *resp = response;
	auto_process struct process *p = process_ref(call->target);
	struct deadline d = deadline_min(call->deadline, deadline_in_ms(DELETE_MS));

	if (delete (p, d, e) < 0)
		return err_wrap(e, "delete '%s'", req->exec_id[0] ? req->exec_id : req->id);
	resp->pid = (uint32_t)service_pid(p->container->service);
	resp->exit_status = p->exit_status;
	resp->exited_at = timestamp_new(p->exited_at);
	return 0;
}
