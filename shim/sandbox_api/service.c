/* SPDX-License-Identifier: Apache-2.0 */
/* The table of the sandbox API, and what state its sandbox is in; see service.h. */
#include "shim/sandbox_api/service.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/rpc/message.h"
#include "shim/sandbox_api/handlers.h"

struct sandbox_service {
	struct task_service *tasks;
	struct rpc_service rpc;
};

static const struct rpc_method methods[] = {
	{ "CreateSandbox", on_create_sandbox, RPC_ABSENT },
	{ "StartSandbox", on_start_sandbox, API_CREATED },
	{ "Platform", on_platform, 0 },
	{ "StopSandbox", on_stop_sandbox, API_ANY },
	{ "WaitSandbox", on_wait_sandbox, API_ANY | RPC_ENDS_WITH_PEER },
	{ "SandboxStatus", on_sandbox_status, API_ANY },
	{ "PingSandbox", on_ping_sandbox, API_ANY },
	{ "ShutdownSandbox", on_shutdown_sandbox, 0 },
	{ "SandboxMetrics", on_sandbox_metrics, API_ANY },
};

enum api_state api_sandbox_state(const struct task_service *s)
{
	bool running = s->sandbox && !s->ended;

	if (s->api->starting)
		return API_STARTING;
	if (running)
		return API_READY;
	return s->api->started || s->api->stopped ? API_ENDED : API_CREATED;
}

int api_sandbox_wait(struct task_service *s, struct deadline d, struct err *e)
{
	while (api_sandbox_state(s) != API_ENDED)
		if (cond_wait(&s->sandbox_changed, d, e) < 0)
			return err_wrap(e, "wait for the end of sandbox %s", s->sandbox_id);
	return 0;
}

static uint32_t find_target(void *self, const struct rpc_method *method, const void *req,
			    void **ret_target, const char **ret_state_name, struct err *e)
{
	static const struct {
		enum api_state state;
		const char *name;
	} names[] = { { API_CREATED, "created" },
		      { API_STARTING, "being started" },
		      { API_READY, "running" },
		      { API_ENDED, "ended" } };
	struct task_service *s = self;
	enum api_state state;

	(void)method;
	(void)e;
	if (!s->api || strcmp(message_string(req, "sandbox_id"), s->sandbox_id) != 0)
		return RPC_ABSENT;
	state = api_sandbox_state(s);
	*ret_target = s->api;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (names[i].state == state)
			*ret_state_name = names[i].name;
	return state;
}

struct sandbox_service *sandbox_service_new(struct task_service *tasks)
{
	struct sandbox_service *s = xnew(struct sandbox_service);
	struct err e = ERR_INIT;

	s->tasks = tasks;
	s->rpc = (struct rpc_service){
		.desc = &containerd__runtime__sandbox__v1__sandbox__descriptor,
		.methods = methods,
		.n_methods = ARRAY_LEN(methods),
		.self = tasks,
		.target = find_target,
	};
	if (rpc_service_check(&s->rpc, &e) < 0) {
		log_error("%s", e.text);
		abort();
	}
	return s;
}

const struct rpc_service *sandbox_service_rpc(const struct sandbox_service *s)
{
	return &s->rpc;
}

void sandbox_service_free(struct sandbox_service *s)
{
	struct api_sandbox *api;

	if (!s)
		return;
	api = take_ptr(s->tasks->api);
	if (api) {
		oci_spec_free(api->spec);
		free(api->bundle);
		free(api);
	}
	free(s);
}
