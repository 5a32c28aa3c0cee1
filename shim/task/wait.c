/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Wait: until the process has stopped, for any number of waiters, before Start and after the exit.
 * CRI learns of exits from here alone, so nothing but the end of the connection ends it early.
 */
#include "shim/task/handlers.h"

int on_wait(const struct rpc_call *call, const void *request, void *response, struct err *e)
{
	Containerd__Task__V2__WaitResponse *resp = response;
	auto_process struct process *p = process_ref(call->target);

	(void)request;
	while (p->state != PROCESS_STOPPED)
		if (cond_wait(&p->changed, DEADLINE_NEVER, e) < 0)
			return -1;
	resp->exit_status = p->exit_status;
	resp->exited_at = timestamp_new(p->exited_at);
	return 0;
}
