/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_SHIM_SANDBOX_API_HANDLERS_H
#define HUSK_SHIM_SANDBOX_API_HANDLERS_H

#include "sandbox.pb-c.h"
#include "shim/sandbox_api/service.h"
#include "shim/task/boot.h"

/*
 * A sandbox from CreateSandbox on, beside what every sandbox has in struct task_service:
 *
 *	CREATED -> STARTING -> READY -> ENDED
 *	   +----------+-------------------^
 */
enum api_state {
	API_CREATED = 1 << 1, /* bits, as the method table wants them */
	API_STARTING = 1 << 2,
	API_READY = 1 << 3, /* it runs, or is being stopped */
	API_ENDED = 1 << 4,
};
#define API_ANY (API_CREATED | API_STARTING | API_READY | API_ENDED)

struct api_sandbox {
	char *bundle;
	struct oci_spec *spec;
	bool starting, started, stopped;
	struct fiber_group
		starter; /* the fiber of StartSandbox, for a StopSandbox that comes meanwhile */
	struct timespec created_at, stopped_at;
};

enum api_state api_sandbox_state(const struct task_service *s);

/* Until it has ended. */
int api_sandbox_wait(struct task_service *s, struct deadline d, struct err *e) must_check;

int on_create_sandbox(const struct rpc_call *call, const void *req, void *resp, struct err *e);
int on_start_sandbox(const struct rpc_call *call, const void *req, void *resp, struct err *e);
int on_stop_sandbox(const struct rpc_call *call, const void *req, void *resp, struct err *e);
int on_shutdown_sandbox(const struct rpc_call *call, const void *req, void *resp, struct err *e);
int on_wait_sandbox(const struct rpc_call *call, const void *req, void *resp, struct err *e);
int on_sandbox_status(const struct rpc_call *call, const void *req, void *resp, struct err *e);
int on_platform(const struct rpc_call *call, const void *req, void *resp, struct err *e);
int on_ping_sandbox(const struct rpc_call *call, const void *req, void *resp, struct err *e);
int on_sandbox_metrics(const struct rpc_call *call, const void *req, void *resp, struct err *e);

#endif
