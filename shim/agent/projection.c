/* SPDX-License-Identifier: Apache-2.0 */
/* The call that shows files in a projected volume: husk.Projections. */
#include "shim/agent/connection.h"

int agent_put_projection(struct agent *a, const Husk__PutRequest *req, struct deadline d,
			 struct err *e)
{
	return agent_service_call(a, &husk__projections__descriptor, "Put", req, NULL, d, e);
}
