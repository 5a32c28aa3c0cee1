/* SPDX-License-Identifier: Apache-2.0 */
/* Update: new limits for a container. */
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/oci/to_agent.h"
#include "proto/any.h"
#include "shim/task/container.h"
#include "shim/task/handlers.h"

#define RESOURCES_TYPE "types.containerd.io/opencontainers/runtime-spec/1/LinuxResources"

static void log_what_is_lost(const char *id, const struct oci_resources *resources)
{
	auto_strv char **lost = oci_resources_not_carried(resources);
	auto_free char *text = strv_join((const char *const *)lost, ", ");

	if (text[0])
		log_info("container '%s' is updated without %s", id, text);
}

int on_update(const struct rpc_call *call, const void *request, void *response, struct err *e)
{
	const Containerd__Task__V2__UpdateTaskRequest *req = request;
	auto_process struct process *p = process_ref(call->target);
	auto_oci_resources struct oci_resources *resources = NULL;
	struct task_service *s = call->self;
	struct agent *agent;

	(void)response;
	if (!req->resources)
		return 0; /* annotations alone: nothing in the guest depends on them */
	if (!any_is(req->resources, RESOURCES_TYPE))
		return err_set(e, ERR_INVALID,
			       "update '%s': resources of type '%.100s', expected %s", req->id,
			       req->resources->type_url, RESOURCES_TYPE);
	if (oci_resources_parse((const char *)req->resources->value.data, req->resources->value.len,
				&resources, e) < 0 ||
	    container_agent(p->container, &agent, e) < 0)
		return err_wrap(e, "update '%s'", req->id);
	if (sandbox_update_container(s->sandbox, p->container->id, resources,
				     service_deadline(s, call->deadline), e) < 0)
		return err_wrap(e, "update '%s'", req->id);
	log_what_is_lost(p->container->id, resources);
	return 0;
}
