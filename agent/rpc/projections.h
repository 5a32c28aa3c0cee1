/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_AGENT_PROJECTIONS_H
#define HUSK_AGENT_PROJECTIONS_H

#include "common/async/fiber.h"
#include "common/rpc/server.h"

/*
 * husk.Projections: the files that a kubelet projects into volumes, which the host sends anew when they
 * change. They lie in the guest's memory, below the run directory, until the agent ends.
 */
struct projections {
	const char *run_dir;          /* borrowed */
	struct fiber_group leftovers; /* sets that are no longer shown */
};

/* A service with `p` as its self. */
struct rpc_service projections_service(struct projections *p);
/* Ends with it; no request may be under way. Waits. */
void projections_done(struct projections *p);

#define PROJECTIONS_FEATURE "husk.projections"

#endif
