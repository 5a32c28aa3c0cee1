/* SPDX-License-Identifier: Apache-2.0 */
/* Calls about the sandbox and the guest as a whole. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/id.h"
#include "common/base/mem.h"
#include "shim/agent/connection.h"

#define FEATURES_MAX     64 /* names kept of what the guest says it can do */
#define FEATURE_NAME_MAX 64 /* bytes of one */

/* What Linux has: SECTION_SIZE_BITS and memory_block_size_bytes() of its architectures. */
#define MEMORY_BLOCK_MIN (UINT64_C(1) << 20)
#define MEMORY_BLOCK_MAX (UINT64_C(1) << 36)

static uint64_t check_block(uint64_t bytes)
{
	bool power = bytes != 0 && (bytes & (bytes - 1)) == 0;

	return power && bytes >= MEMORY_BLOCK_MIN && bytes <= MEMORY_BLOCK_MAX ? bytes : 0;
}

int agent_get_guest_details(struct agent *a, struct deadline d, struct err *e)
{
	Grpc__GuestDetailsRequest req;
	Grpc__GuestDetailsResponse *resp = NULL;
	const Grpc__AgentDetails *details;

	grpc__guest_details_request__init(&req);
	req.mem_block_size = true;
	if (agent_call(a, "GetGuestDetails", &req, &resp, d, e) < 0)
		return -1;
	strv_free(take_ptr(a->features));
	a->memory_block = check_block(resp->mem_block_size_bytes);
	details = resp->agent_details;
	for (size_t i = 0; details && i < details->n_extra_features && i < FEATURES_MAX; i++)
		if (strlen(details->extra_features[i]) <= FEATURE_NAME_MAX)
			strv_add(&a->features, details->extra_features[i]);
	grpc__guest_details_response__free_unpacked(resp, NULL);
	return 0;
}

uint64_t agent_memory_block(const struct agent *a)
{
	return a->memory_block;
}

bool agent_has_feature(const struct agent *a, const char *name)
{
	for (size_t i = 0; a->features && a->features[i]; i++)
		if (strcmp(a->features[i], name) == 0)
			return true;
	return false;
}

int agent_create_sandbox(struct agent *a, const Grpc__CreateSandboxRequest *req, struct deadline d,
			 struct err *e)
{
	return agent_call(a, "CreateSandbox", req, NULL, d, e);
}

int agent_destroy_sandbox(struct agent *a, struct deadline d, struct err *e)
{
	Grpc__DestroySandboxRequest req;

	grpc__destroy_sandbox_request__init(&req);
	return agent_call(a, "DestroySandbox", &req, NULL, d, e);
}

int agent_copy_file(struct agent *a, const Grpc__CopyFileRequest *req, struct deadline d,
		    struct err *e)
{
	return agent_call(a, "CopyFile", req, NULL, d, e);
}

int agent_volume_stats(struct agent *a, const char *path, struct deadline d,
		       Grpc__VolumeStatsResponse **ret, struct err *e)
{
	Grpc__VolumeStatsRequest req;

	grpc__volume_stats_request__init(&req);
	req.volume_guest_path = message_text(path);
	return agent_call(a, "GetVolumeStats", &req, ret, d, e);
}

int agent_resize_volume(struct agent *a, const char *path, uint64_t bytes, struct deadline d,
			struct err *e)
{
	Grpc__ResizeVolumeRequest req;

	grpc__resize_volume_request__init(&req);
	req.volume_guest_path = message_text(path);
	req.size = bytes;
	return agent_call(a, "ResizeVolume", &req, NULL, d, e);
}

int agent_online_cpu_mem(struct agent *a, uint32_t vcpus, bool memory, struct deadline d,
			 struct err *e)
{
	Grpc__OnlineCPUMemRequest req;

	grpc__online_cpumem_request__init(&req);
	req.nb_cpus = vcpus;
	req.cpu_only = !memory;
	if (agent_call(a, "OnlineCPUMem", &req, NULL, d, e) < 0)
		return -1;
	agent_set_vcpus(a, vcpus);
	return 0;
}

int agent_set_guest_date_time(struct agent *a, struct deadline d, struct err *e)
{
	Grpc__SetGuestDateTimeRequest req;
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	grpc__set_guest_date_time_request__init(&req);
	req.sec = now.tv_sec;
	req.usec = now.tv_nsec / 1000;
	return agent_call(a, "SetGuestDateTime", &req, NULL, d, e);
}

int agent_get_oom_event(struct agent *a, char **ret_id, struct err *e)
{
	Grpc__GetOOMEventRequest req;
	Grpc__OOMEvent *resp = NULL;
	int result;

	grpc__get_oomevent_request__init(&req);
	if (agent_call(a, "GetOOMEvent", &req, &resp, DEADLINE_NEVER, e) < 0)
		return -1;
	result = id_check("container id", resp->container_id, e);
	if (result == 0)
		*ret_id = xstrdup(resp->container_id);
	else
		err_wrap(e, "agent: GetOOMEvent");
	grpc__oomevent__free_unpacked(resp, NULL);
	return result;
}
