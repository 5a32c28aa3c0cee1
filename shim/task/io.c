/* SPDX-License-Identifier: Apache-2.0 */
/* ResizePty and CloseIO. Both may come before Start and are kept until then. */
#include "shim/task/container.h"
#include "shim/task/handlers.h"

int on_resize_pty(const struct rpc_call *call, const void *request, void *response, struct err *e)
{
	const Containerd__Task__V2__ResizePtyRequest *req = request;
	auto_process struct process *p = process_ref(call->target);
	struct task_service *s = call->self;
	struct agent *agent;

	(void)response;
	if (!p->terminal || p->state == PROCESS_STOPPED)
		return 0;
	p->rows = req->height;
	p->columns = req->width;
	if (!p->attached)
		return 0;
	if (service_agent(s, &agent, e) < 0 ||
	    agent_resize_tty(agent, p->container->id, p->exec_id, p->rows, p->columns,
			     service_deadline(s, call->deadline), e) < 0) {
		/* It ended while it was asked: there is no window any more, and nobody minds. */
		if (p->state == PROCESS_STOPPED || e->code == ERR_NOT_FOUND)
			return 0;
		return err_wrap(e, "resize the terminal of '%s'", p->container->id);
	}
	return 0;
}

int on_close_io(const struct rpc_call *call, const void *request, void *response, struct err *e)
{
	const Containerd__Task__V2__CloseIORequest *req = request;
	struct process *p = call->target;

	(void)response;
	(void)e;
	if (!req->stdin)
		return 0;
	p->stdin_closed = true;
	if (p->attached)
		stdio_close_stdin(p->io);
	return 0;
}
