/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_SHIM_VOLUMES_H
#define HUSK_SHIM_VOLUMES_H

#include "common/rpc/server.h"
#include "shim/task/service.h"

/*
 * husk.Volumes, for huskctl(1) direct-volume: what the sandbox of `tasks` knows of its direct volumes.
 * Served beside the task service, on the same socket and to the same user.
 */
struct rpc_service volumes_service(struct task_service *tasks);

#endif
