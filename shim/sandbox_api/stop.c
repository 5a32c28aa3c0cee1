/* SPDX-License-Identifier: Apache-2.0 */
/* StopSandbox, ShutdownSandbox, WaitSandbox: the end of a sandbox. */
#include "common/base/log.h"
#include "shim/sandbox_api/handlers.h"
#include "shim/task/handlers.h"
#include "shim/task/watch.h"

#define STOP_MS 20000 /* where the caller sets no time: longer than any step of a stop waits */

static struct deadline stop_deadline(const struct rpc_call *call, uint32_t seconds)
{
	return deadline_min(call->deadline, deadline_in_ms(seconds ? seconds * 1000ll : STOP_MS));
}

/* Whatever it is doing. Its containers end with it. */
static int stop(struct task_service *s, struct deadline d, struct err *e)
{
	struct api_sandbox *api = s->api;

	if (!api->stopped) {
		api->stopped = true;
		api->stopped_at = process_now();
	}
	fiber_group_cancel(&api->starter);
	service_end_sandbox(s);
	cond_wake_all(&s->sandbox_changed);
	while (api->starting) /* its fiber has the cancel */
		if (cond_wait(&s->sandbox_changed, d, e) < 0)
			return -1;
	return service_wait_ended(s, d, e);
}

int on_stop_sandbox(const struct rpc_call *call, const void *request, void *response, struct err *e)
{
	const Containerd__Runtime__Sandbox__V1__StopSandboxRequest *req = request;

	(void)response;
	return stop(call->self, stop_deadline(call, req->timeout_secs), e);
}

/* Comes also after a CreateSandbox or StartSandbox that failed: there may be nothing to stop. */
int on_shutdown_sandbox(const struct rpc_call *call, const void *request, void *response,
			struct err *e)
{
	struct task_service *s = call->self;
	struct err why = ERR_INIT;

	(void)request;
	(void)response;
	(void)e;
	if (s->api && stop(s, stop_deadline(call, 0), &why) < 0)
		log_warn("shut down: %s", why.text);
	s->shutdown = true;
	cond_wake_all(&s->shutdown_wanted);
	return 0;
}

int on_wait_sandbox(const struct rpc_call *call, const void *request, void *response, struct err *e)
{
	Containerd__Runtime__Sandbox__V1__WaitSandboxResponse *resp = response;
	struct task_service *s = call->self;

	(void)request;
	if (api_sandbox_wait(s, DEADLINE_NEVER, e) < 0)
		return -1;
	/* One that was never started has nothing that could have failed. */
	resp->exit_status = s->sandbox_end.code == ERR_NONE ? 0 : EXIT_STATUS_KILLED;
	resp->exited_at = timestamp_new(s->api->stopped && s->sandbox_end.code == ERR_NONE
						? s->api->stopped_at
						: s->sandbox_ended_at);
	return 0;
}
