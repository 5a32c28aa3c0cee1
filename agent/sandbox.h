/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_AGENT_SANDBOX_H
#define HUSK_AGENT_SANDBOX_H

#include <stdbool.h>

#include "agent.pb-c.h"
#include "agent/cmdline.h"
#include "agent/container/guest_hooks.h"
#include "agent/storage/storage.h"
#include "common/async/fiber.h"
#include "common/base/err.h"
#include "common/base/undo.h"

/*
 * What the agent knows: the one sandbox it is there for, with its containers, storages and shared
 * namespaces. All of it stays when a connection is lost; a host may come back and go on.
 */
struct child;
struct container;

#define SANDBOX_CONTAINERS_MAX 1024u
#define OOM_EVENTS_MAX         100u /* not yet fetched; more are dropped */

enum sandbox_state {
	SANDBOX_NONE,
	SANDBOX_STARTING,
	SANDBOX_RUNNING,
	SANDBOX_ENDED
};

struct sandbox {
	const struct agent_options *options;
	bool is_init;  /* the agent is PID 1 */
	bool no_pivot; /* "/" is the root of the mount namespace: it cannot be pivoted away from */
	enum sandbox_state state;
	char *id, *hostname;
	int ipc_ns, uts_ns;     /* joined by every container; -1: no sandbox yet */
	int pid_ns;             /* for the containers that share one; -1: none. namespace_set.h */
	struct child *pod_init; /* NULL: none, see container/pod_init.h */
	struct undo teardown;   /* what CreateSandbox acquired */
	struct guest_hooks guest_hooks;
	struct storage_table storages;
	struct device_watch *devices; /* of the guest, as they come and go */
	struct container *containers; /* uthash, by id; container.c keeps it */
	char **oom_events;            /* container ids, oldest first; NULL-terminated */
	struct cond oom_changed;
	uint64_t scrapes; /* of metrics */
	bool gone;        /* ended, with all it had */
	struct cond gone_changed;
};

void sandbox_init(struct sandbox *sb, const struct agent_options *options, bool is_init);
void sandbox_done(struct sandbox *sb);

/* ERR_STATE if there is one already. A failure leaves nothing behind. */
int sandbox_create(struct sandbox *sb, const Grpc__CreateSandboxRequest *req, struct err *e)
	must_check;

/* Every container, every storage; then main() ends. Again: ERR_STATE. */
int sandbox_destroy(struct sandbox *sb, struct err *e) must_check;

/* A process of this container was killed for want of memory. */
void sandbox_add_oom_event(struct sandbox *sb, const char *container_id);

/* Until there is one; *ret for free(). ERR_UNAVAILABLE once the sandbox has ended. */
int sandbox_next_oom_event(struct sandbox *sb, struct deadline d, char **ret, struct err *e)
	must_check;

#endif
