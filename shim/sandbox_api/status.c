/* SPDX-License-Identifier: Apache-2.0 */
/* What can be asked of a sandbox at any time. */
#include <sys/utsname.h>

#include <string.h>

#include "common/base/mem.h"
#include "shim/sandbox_api/handlers.h"
#include "shim/task/handlers.h"

/* As Go calls them, which the images' platforms are named after. */
static const char *architecture(const char *machine)
{
	static const struct {
		const char *machine, *name;
	} names[] = { { "x86_64", "amd64" }, { "aarch64", "arm64" } };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strcmp(machine, names[i].machine) == 0)
			return names[i].name;
	return machine;
}

/* The guest's, which is the host's: husk emulates no foreign machine. */
int on_platform(const struct rpc_call *call, const void *request, void *response, struct err *e)
{
	Containerd__Runtime__Sandbox__V1__PlatformResponse *resp = response;
	struct utsname name;

	(void)call;
	(void)request;
	if (uname(&name) < 0)
		return err_sys(e, errno, "uname");
	resp->platform = xnew(Containerd__Types__Platform);
	containerd__types__platform__init(resp->platform);
	resp->platform->os = xstrdup("linux");
	resp->platform->architecture = xstrdup(architecture(name.machine));
	return 0;
}

static void add_info(Containerd__Runtime__Sandbox__V1__SandboxStatusResponse *resp, const char *key,
		     char *value)
{
	Containerd__Runtime__Sandbox__V1__SandboxStatusResponse__InfoEntry *entry =
		xmalloc(sizeof(*entry));

	containerd__runtime__sandbox__v1__sandbox_status_response__info_entry__init(entry);
	entry->key = xstrdup(key);
	entry->value = value;
	resp->info = xrealloc(resp->info, (resp->n_info + 1) * sizeof(resp->info[0]));
	resp->info[resp->n_info++] = entry;
}

/* Shown by `crictl inspectp`, which takes JSON. */
static void add_details(const struct task_service *s,
			Containerd__Runtime__Sandbox__V1__SandboxStatusResponse *resp)
{
	add_info(resp, "vmmPid", xasprintf("%d", (int)service_pid(s)));
	if (s->sandbox_end.code != ERR_NONE)
		add_info(resp, "died", json_quote(s->sandbox_end.text));
}

int on_sandbox_status(const struct rpc_call *call, const void *request, void *response,
		      struct err *e)
{
	const Containerd__Runtime__Sandbox__V1__SandboxStatusRequest *req = request;
	Containerd__Runtime__Sandbox__V1__SandboxStatusResponse *resp = response;
	const struct task_service *s = call->self;
	bool ready = api_sandbox_state(s) == API_READY && !s->ending;

	(void)e;
	resp->sandbox_id = xstrdup(s->sandbox_id);
	resp->pid = (uint32_t)service_pid(s);
	resp->state = xstrdup(ready ? "SANDBOX_READY" : "SANDBOX_NOTREADY");
	if (s->api->started)
		resp->created_at = timestamp_new(s->api->created_at);
	if (s->api->started && api_sandbox_state(s) == API_ENDED)
		resp->exited_at = timestamp_new(s->sandbox_ended_at);
	if (req->verbose)
		add_details(s, resp);
	return 0;
}

int on_ping_sandbox(const struct rpc_call *call, const void *request, void *response, struct err *e)
{
	const struct task_service *s = call->self;

	(void)request;
	(void)response;
	if (api_sandbox_state(s) != API_READY)
		return err_set(e, ERR_STATE, "sandbox %s is not running", s->sandbox_id);
	return 0;
}
