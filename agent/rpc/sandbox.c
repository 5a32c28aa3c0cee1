/* SPDX-License-Identifier: Apache-2.0 */
/* The sandbox as a whole: CreateSandbox, DestroySandbox, GetOOMEvent. */
#include "agent/rpc/handlers.h"

HANDLER(on_create_sandbox)
{
	(void)resp;
	return sandbox_create(call->self, req, e);
}

HANDLER(on_destroy_sandbox)
{
	(void)req;
	(void)resp;
	return sandbox_destroy(call->self, e);
}

HANDLER(on_get_oom_event)
{
	Grpc__OOMEvent *answer = resp;
	char *id;

	(void)req;
	if (sandbox_next_oom_event(call->self, call->deadline, &id, e) < 0)
		return -1;
	answer->container_id = id;
	return 0;
}
