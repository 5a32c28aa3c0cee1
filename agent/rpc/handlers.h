/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_AGENT_HANDLERS_H
#define HUSK_AGENT_HANDLERS_H

#include "agent/container/container.h"
#include "agent/sandbox.h"
#include "common/rpc/server.h"

/*
 * The handlers, of type rpc_handler_fn. `call->self` is the sandbox; where the table has states,
 * `call->target` is the container.
 */
#define HANDLER(name) \
	int name(const struct rpc_call *call, const void *req, void *resp, struct err *e)

/* health.c */
HANDLER(on_health_check);
HANDLER(on_health_version);

/* sandbox.c */
HANDLER(on_create_sandbox);
HANDLER(on_destroy_sandbox);
HANDLER(on_get_oom_event);

/* container.c */
HANDLER(on_create_container);
HANDLER(on_start_container);
HANDLER(on_remove_container);
HANDLER(on_update_container);
HANDLER(on_stats_container);
HANDLER(on_pause_container);
HANDLER(on_resume_container);

/* process.c */
HANDLER(on_exec_process);
HANDLER(on_signal_process);
HANDLER(on_wait_process);
HANDLER(on_tty_win_resize);

/* stream.c */
HANDLER(on_write_stdin);
HANDLER(on_close_stdin);
HANDLER(on_read_stdout);
HANDLER(on_read_stderr);

/* guest.c */
HANDLER(on_get_guest_details);
HANDLER(on_set_guest_date_time);
HANDLER(on_reseed_random_dev);
HANDLER(on_online_cpu_mem);

HANDLER(on_mem_hotplug_by_probe);
HANDLER(on_get_metrics);
HANDLER(on_no_policy);
HANDLER(on_no_mem_agent);

/* file.c */
HANDLER(on_copy_file);
HANDLER(on_remove_stale_virtiofs_share_mounts);
HANDLER(on_get_volume_stats);
HANDLER(on_resize_volume);
HANDLER(on_add_swap);
HANDLER(on_add_swap_path);
HANDLER(on_get_diagnostic_data);
HANDLER(on_update_ephemeral_mounts);

/* network.c */
HANDLER(on_update_interface);
HANDLER(on_list_interfaces);
HANDLER(on_update_routes);
HANDLER(on_list_routes);
HANDLER(on_add_arp_neighbors);
HANDLER(on_get_ip_tables);
HANDLER(on_set_ip_tables);

/* ERR_NOT_FOUND unless the container has it. Borrowed. */
int find_process(const struct container *c, const char *exec_id, struct process **ret,
		 struct err *e) must_check;

#endif
