/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_SHIM_SANDBOX_API_H
#define HUSK_SHIM_SANDBOX_API_H

#include "common/rpc/server.h"
#include "shim/task/service.h"

/*
 * containerd.runtime.sandbox.v1.Sandbox: a containerd with `sandboxer = "shim"` makes, watches and ends
 * the sandbox by calls of its own, and only its containers are tasks (containerd-shim.md 3.3, 4.18).
 * Served beside the task service, whose state it works on.
 */
struct sandbox_service;

struct sandbox_service *sandbox_service_new(struct task_service *tasks) must_check;

/* For rpc_serve(); owned by the service. */
const struct rpc_service *sandbox_service_rpc(const struct sandbox_service *s);

/* Before task_service_free(). NULL is fine. */
void sandbox_service_free(struct sandbox_service *s);

#endif
