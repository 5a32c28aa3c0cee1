/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_SHIM_TASK_HANDLERS_H
#define HUSK_SHIM_TASK_HANDLERS_H

#include "common/rpc/server.h"
#include "google/protobuf/timestamp.pb-c.h"
#include "shim/task/process.h"
#include "task.pb-c.h"

/*
 * The methods of the task service, one file for each or for a few that belong together. Where the
 * table in service.c gives a state, call->target is the `struct process` that was asked for.
 */
int on_create(const struct rpc_call *call, const void *req, void *resp, struct err *e);
int on_start(const struct rpc_call *call, const void *req, void *resp, struct err *e);
int on_state(const struct rpc_call *call, const void *req, void *resp, struct err *e);
int on_pids(const struct rpc_call *call, const void *req, void *resp, struct err *e);
int on_wait(const struct rpc_call *call, const void *req, void *resp, struct err *e);
int on_kill(const struct rpc_call *call, const void *req, void *resp, struct err *e);
int on_delete(const struct rpc_call *call, const void *req, void *resp, struct err *e);
int on_exec(const struct rpc_call *call, const void *req, void *resp, struct err *e);
int on_resize_pty(const struct rpc_call *call, const void *req, void *resp, struct err *e);
int on_close_io(const struct rpc_call *call, const void *req, void *resp, struct err *e);
int on_update(const struct rpc_call *call, const void *req, void *resp, struct err *e);
int on_stats(const struct rpc_call *call, const void *req, void *resp, struct err *e);
int on_pause(const struct rpc_call *call, const void *req, void *resp, struct err *e);
int on_resume(const struct rpc_call *call, const void *req, void *resp, struct err *e);
int on_checkpoint(const struct rpc_call *call, const void *req, void *resp, struct err *e);
int on_connect(const struct rpc_call *call, const void *req, void *resp, struct err *e);
int on_shutdown(const struct rpc_call *call, const void *req, void *resp, struct err *e);

/* A message of its own for a response, which the dispatcher frees. */
Google__Protobuf__Timestamp *timestamp_new(struct timespec at) must_check;

#endif
