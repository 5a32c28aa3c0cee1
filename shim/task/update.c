/* SPDX-License-Identifier: Apache-2.0 */
/* Update: new limits for a container's cgroup in the guest. */
#include <stdlib.h>

#include "common/oci/to_agent.h"
#include "proto/any.h"
#include "shim/task/container.h"
#include "shim/task/handlers.h"

#define RESOURCES_TYPE "types.containerd.io/opencontainers/runtime-spec/1/LinuxResources"

/* CRI sends the device rules along, which are the host's and were rewritten at Create. */
static void drop_devices(Grpc__LinuxResources *r)
{
	for (size_t i = 0; i < r->n_devices; i++)
		grpc__linux_device_cgroup__free_unpacked(r->devices[i], NULL);
	free(r->devices);
	r->devices = NULL;
	r->n_devices = 0;
}

int on_update(const struct rpc_call *call, const void *request, void *response, struct err *e)
{
	const Containerd__Task__V2__UpdateTaskRequest *req = request;
	auto_process struct process *p = process_ref(call->target);
	auto_oci_resources struct oci_resources *resources = NULL;
	struct task_service *s = call->self;
	Grpc__LinuxResources *message;
	struct agent *agent;
	int result;

	(void)response;
	if (!req->resources)
		return 0; /* annotations alone: nothing in the guest depends on them */
	if (!any_is(req->resources, RESOURCES_TYPE))
		return err_set(e, ERR_INVALID,
			       "update '%s': resources of type '%.100s', expected %s", req->id,
			       req->resources->type_url, RESOURCES_TYPE);
	if (oci_resources_parse((const char *)req->resources->value.data, req->resources->value.len,
				&resources, e) < 0 ||
	    service_agent(s, &agent, e) < 0)
		return err_wrap(e, "update '%s'", req->id);
	message = oci_resources_to_agent(resources);
	drop_devices(message);
	result = agent_update_container(agent, p->container->id, message,
					service_deadline(s, call->deadline), e);
	grpc__linux_resources__free_unpacked(message, NULL);
	return result < 0 ? err_wrap(e, "update '%s'", req->id) : 0;
}
