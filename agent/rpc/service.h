/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_AGENT_SERVICE_H
#define HUSK_AGENT_SERVICE_H

#include "agent/rpc/forward.h"
#include "agent/rpc/projections.h"
#include "agent/sandbox.h"
#include "common/rpc/server.h"

/*
 * The services that hosts call: grpc.AgentService and grpc.Health of the Kata 4 agent protocol, and
 * husk.Forward and husk.Projections beside them.
 * Every method of the .proto has its row in the table of service.c; the handlers are in one file for
 * each group of methods.
 */
#define AGENT_SERVICES 4u

struct agent_services {
	struct rpc_service agent, health, forward_service, projections_service;
	struct forward forward;
	struct projections projections;
	const struct rpc_service *list[AGENT_SERVICES];
};

/* ERR_INTERNAL if a method of the .proto has no row. `ret` must not move afterwards. */
int agent_services_init(struct agent_services *ret, struct sandbox *sb, struct err *e) must_check;
/* After the last connection. */
void agent_services_done(struct agent_services *s);

#endif
