/* SPDX-License-Identifier: Apache-2.0 */
/* Connect and Shutdown: the ends of the shim's own life. */
#include <unistd.h>

#include "common/base/mem.h"
#include "shim/task/container.h"
#include "shim/task/handlers.h"

/* Never fails: containerd asks it after its own restart, and throws away what does not answer. */
int on_connect(const struct rpc_call *call, const void *request, void *response, struct err *e)
{
	const Containerd__Task__V2__ConnectRequest *req = request;
	Containerd__Task__V2__ConnectResponse *resp = response;
	const struct task_service *s = call->self;
	const struct container *c = container_find(s, req->id);

	(void)e;
	resp->shim_pid = (uint32_t)getpid();
	resp->task_pid = c && c->init->state != PROCESS_CREATING ? (uint32_t)service_pid(s) : 0;
	resp->version = xstrdup(HUSK_VERSION);
	return 0;
}

/* A Create whose caller has gone (its Delete got lost) must not keep the shim for ever. */
static bool only_creations(const struct task_service *s)
{
	const struct container *c;

	for (c = s->containers; c; c = c->hh.next)
		if (c->init->state != PROCESS_CREATING)
			return false;
	return true;
}

/* containerd sends this after each task it deletes; it counts when that was the last one. */
int on_shutdown(const struct rpc_call *call, const void *request, void *response, struct err *e)
{
	const Containerd__Task__V2__ShutdownRequest *req = request;
	struct task_service *s = call->self;

	(void)response;
	(void)e;
	if (s->api)
		return 0; /* it ends with ShutdownSandbox */
	if (s->containers && !req->now) {
		struct container *c, *next;

		if (!only_creations(s)) {
			/* After the death of a machine in containerd's absence: nobody asks again. */
			s->shutdown_when_empty = !container_find(s, s->sandbox_id);
			return 0;
		}
		HASH_ITER(hh, s->containers, c, next) {
			c->unwanted = true;
			fiber_group_cancel(&c->creating);
		}
	}
	s->shutdown = true;
	cond_wake_all(&s->shutdown_wanted);
	return 0;
}
