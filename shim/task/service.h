/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_SHIM_TASK_SERVICE_H
#define HUSK_SHIM_TASK_SERVICE_H

#include "common/rpc/server.h"
#include "shim/events/publisher.h"
#include "shim/sandbox/sandbox.h"

/*
 * The task service: what containerd asks of the containers of one sandbox (containerd-shim.md 3.1,
 * 4). One table serves containerd.task.v2.Task and containerd.task.v3.Task, which differ by name only.
 *
 * The first Create boots the sandbox, the end of the container that did so ends it, and the Delete of
 * the last container forgets it.
 */
struct task_service;

struct task_service_params {
	const char *ns;              /* containerd's namespace */
	const char *sandbox_id;      /* the group's id: that of the first container */
	const char *config_path;     /* of the runtime options; NULL or "": none */
	struct publisher *publisher; /* borrowed, outlives the service */
};

struct task_service *task_service_new(const struct task_service_params *p) must_check;

/*
 * Ends whatever still runs, the sandbox included, and waits for it. No connection may be served with
 * the table any more. NULL is fine.
 */
void task_service_free(struct task_service *s);

/* For rpc_serve(); owned by the service. */
const struct rpc_service *const *task_service_table(const struct task_service *s, size_t *ret_n);

/* The one that runs, borrowed until the next wait; NULL: none does. */
struct sandbox *task_service_sandbox(const struct task_service *s);

/* Is there a task, or a sandbox that runs? */
bool task_service_busy(const struct task_service *s);

/* Until a Shutdown was accepted, that is with no task left (or with `now` set). */
int task_service_wait_shutdown(struct task_service *s, struct deadline d, struct err *e) must_check;

#endif
