/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_AGENT_CMDLINE_H
#define HUSK_AGENT_CMDLINE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/cleanup.h"
#include "common/base/err.h"
#include "common/base/log.h"

/*
 * What the agent is told about how to run: by the kernel command line (agent-protocol 1.7), then by
 * its own arguments, which win.
 */
struct agent_options {
	char *server_addr; /* where to listen; the forms of common/net/transport.h */
	char *run_dir;     /* bundles, upper directories: what lives as long as the sandbox */
	enum log_level log_level;
	uint32_t pipe_size; /* bytes, of a process's stdout and stderr */
	uint32_t hotplug_timeout_s;
	uint32_t log_port;           /* of vsock, for a host that reads the log; 0: none */
	bool cgroup_v1;              /* PID 1 mounts the older hierarchies */
	bool debug_console;          /* a shell for whoever connects; agent/console.h */
	uint32_t debug_console_port; /* of vsock; 0: not there */
};

#define AGENT_SERVER_ADDR "vsock://-1:1024"
#define AGENT_RUN_DIR     "/run/kata-containers" /* hosts name paths below it */

/*
 * A full pipe stops a fast writer until the host has asked twice more, so a larger one is worth
 * having; 1 MiB is what the kernel gives at most without privileges (pipe(7)).
 */
#define AGENT_PIPE_SIZE     (1u << 20)
#define AGENT_PIPE_SIZE_MAX (1u << 20)

/* How long a device that the host has plugged may take to be there (agent.hotplug_timeout), as in Kata's agent. */
#define AGENT_HOTPLUG_TIMEOUT_S     3u
#define AGENT_HOTPLUG_TIMEOUT_S_MAX 3600u

void agent_options_init(struct agent_options *o);
void agent_options_done(struct agent_options *o);

/* Parameters that are not ours are ignored; a wrong value of one that is ours is ERR_INVALID. */
int cmdline_parse(const char *line, struct agent_options *o, struct err *e) must_check;

enum agent_command {
	AGENT_SERVE,
	AGENT_VERSION,
	AGENT_HELP
};

extern const char agent_usage[];

/* The program's own arguments. An unknown one is ERR_INVALID, except for PID 1: see main.c. */
int arguments_parse(int argc, char *const *argv, struct agent_options *o, enum agent_command *ret,
		    struct err *e) must_check;

#endif
