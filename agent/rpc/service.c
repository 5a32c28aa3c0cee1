/* SPDX-License-Identifier: Apache-2.0 */
/* The method tables; see service.h. */
#include "agent/rpc/service.h"

#include "agent.pb-c.h"
#include "agent/rpc/handlers.h"
#include "common/base/id.h"
#include "common/rpc/message.h"
#include "health.pb-c.h"

#define RUNNABLE (CONTAINER_CREATED | CONTAINER_RUNNING)
#define ALIVE    CONTAINER_ALIVE
#define LIVE     CONTAINER_LIVE
#define WAITS    RPC_ENDS_WITH_PEER

static const struct rpc_method agent_methods[] = {
	{ "AddARPNeighbors", on_add_arp_neighbors, 0 },
	{ "AddSwap", on_add_swap, 0 },
	{ "AddSwapPath", on_add_swap_path, 0 },
	{ "CloseStdin", on_close_stdin, LIVE },
	{ "CopyFile", on_copy_file, 0 },
	{ "CreateContainer", on_create_container, RPC_ABSENT },
	{ "CreateSandbox", on_create_sandbox, 0 },
	{ "DestroySandbox", on_destroy_sandbox, 0 },
	{ "ExecProcess", on_exec_process, RUNNABLE },
	{ "GetDiagnosticData", on_get_diagnostic_data, LIVE },
	{ "GetGuestDetails", on_get_guest_details, 0 },
	{ "GetIPTables", on_get_ip_tables, 0 },
	{ "GetMetrics", on_get_metrics, 0 },
	{ "GetOOMEvent", on_get_oom_event, WAITS },
	{ "GetVolumeStats", on_get_volume_stats, 0 },
	{ "ListInterfaces", on_list_interfaces, 0 },
	{ "ListRoutes", on_list_routes, 0 },
	{ "MemAgentCompactSet", on_no_mem_agent, 0 },
	{ "MemAgentMemcgSet", on_no_mem_agent, 0 },
	{ "MemHotplugByProbe", on_mem_hotplug_by_probe, 0 },
	{ "OnlineCPUMem", on_online_cpu_mem, 0 },
	{ "PauseContainer", on_pause_container, RUNNABLE },
	{ "ReadStderr", on_read_stderr, LIVE | WAITS },
	{ "ReadStdout", on_read_stdout, LIVE | WAITS },
	{ "RemoveContainer", on_remove_container, LIVE },
	{ "RemoveStaleVirtiofsShareMounts", on_remove_stale_virtiofs_share_mounts, 0 },
	{ "ReseedRandomDev", on_reseed_random_dev, 0 },
	{ "ResizeVolume", on_resize_volume, 0 },
	{ "ResumeContainer", on_resume_container, CONTAINER_PAUSED },
	{ "SetGuestDateTime", on_set_guest_date_time, 0 },
	{ "SetIPTables", on_set_ip_tables, 0 },
	{ "SetPolicy", on_no_policy, 0 },
	{ "SignalProcess", on_signal_process, LIVE },
	{ "StartContainer", on_start_container, CONTAINER_CREATED },
	{ "StatsContainer", on_stats_container, LIVE },
	{ "TtyWinResize", on_tty_win_resize, LIVE },
	{ "UpdateContainer", on_update_container, ALIVE },
	{ "UpdateEphemeralMounts", on_update_ephemeral_mounts, 0 },
	{ "UpdateInterface", on_update_interface, 0 },
	{ "UpdateRoutes", on_update_routes, 0 },
	{ "WaitProcess", on_wait_process, LIVE | WAITS },
	{ "WriteStdin", on_write_stdin, LIVE | WAITS },
};

static const struct rpc_method health_methods[] = {
	{ "Check", on_health_check, 0 },
	{ "Version", on_health_version, 0 },
};

static uint32_t target(void *self, const struct rpc_method *method, const void *req,
		       void **ret_target, const char **ret_state_name, struct err *e)
{
	const struct sandbox *sb = self;
	/* Every request about a container has its id in a field of this name. */
	const char *id = message_string(req, "container_id");
	struct container *c;

	(void)method;
	if (id_check("container", id, e) < 0)
		return 0;
	c = container_find(sb, id);
	if (!c)
		return RPC_ABSENT;
	*ret_target = c;
	*ret_state_name = container_state_name(c->state);
	return c->state;
}

int agent_services_init(struct agent_services *ret, struct sandbox *sb, struct err *e)
{
	ret->agent = (struct rpc_service){
		.desc = &grpc__agent_service__descriptor,
		.methods = agent_methods,
		.n_methods = ARRAY_LEN(agent_methods),
		.self = sb,
		.target = target,
	};
	ret->health = (struct rpc_service){
		.desc = &grpc__health__descriptor,
		.methods = health_methods,
		.n_methods = ARRAY_LEN(health_methods),
		.self = sb,
	};
	ret->list[0] = &ret->agent;
	ret->list[1] = &ret->health;
	ret->forward = (struct forward){ .n = 0 };
	ret->forward_service = forward_service(&ret->forward);
	ret->list[2] = &ret->forward_service;
	ret->projections = (struct projections){ .run_dir = sb->options->run_dir };
	ret->projections_service = projections_service(&ret->projections);
	ret->list[3] = &ret->projections_service;
	for (size_t i = 0; i < AGENT_SERVICES; i++)
		if (rpc_service_check(ret->list[i], e) < 0)
			return -1;
	return 0;
}

void agent_services_done(struct agent_services *s)
{
	projections_done(&s->projections);
}
