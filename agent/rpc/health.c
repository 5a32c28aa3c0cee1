/* SPDX-License-Identifier: Apache-2.0 */
/* grpc.Health: is the agent there, and which one is it. */
#include "agent/rpc/handlers.h"
#include "common/base/mem.h"
#include "health.pb-c.h"

#define API_VERSION "0.0.1" /* of the protocol; agent-protocol 1.4 */

HANDLER(on_health_check)
{
	Grpc__HealthCheckResponse *answer = resp;

	(void)call;
	(void)req;
	(void)e;
	answer->status = GRPC__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING;
	return 0;
}

HANDLER(on_health_version)
{
	Grpc__VersionCheckResponse *answer = resp;

	(void)call;
	(void)req;
	(void)e;
	answer->grpc_version = xstrdup(API_VERSION);
	answer->agent_version = xstrdup(HUSK_VERSION);
	return 0;
}
