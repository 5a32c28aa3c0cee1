/* SPDX-License-Identifier: Apache-2.0 */
/* The service of direct volumes; see volumes.h. */
#include "shim/volumes.h"

#include "husk.pb-c.h"
#include "shim/sandbox/sandbox.h"

#define VOLUME_MS 120000 /* a file system that grows writes its tables */

static struct sandbox *running(const struct rpc_call *call, struct err *e)
{
	struct sandbox *s = task_service_sandbox(call->self);

	if (!s)
		err_set(e, ERR_STATE, "no sandbox is running");
	return s;
}

static int on_stats(const struct rpc_call *call, const void *req, void *resp, struct err *e)
{
	const Husk__VolumeRequest *which = req;
	Grpc__VolumeStatsResponse *answer = resp, *stats;
	struct deadline d = deadline_min(call->deadline, deadline_in_ms(VOLUME_MS));
	struct sandbox *s = running(call, e);

	if (!s || sandbox_volume_stats(s, which->path, d, &stats, e) < 0)
		return -1;
	answer->n_usage = stats->n_usage;
	answer->usage = stats->usage;
	answer->volume_condition = stats->volume_condition;
	stats->n_usage = 0;
	stats->usage = NULL;
	stats->volume_condition = NULL;
	grpc__volume_stats_response__free_unpacked(stats, NULL);
	return 0;
}

static int on_grow(const struct rpc_call *call, const void *req, void *resp, struct err *e)
{
	const Husk__VolumeGrowRequest *grow = req;
	struct deadline d = deadline_min(call->deadline, deadline_in_ms(VOLUME_MS));
	struct sandbox *s = running(call, e);

	(void)resp;
	return s ? sandbox_volume_grow(s, grow->path, grow->size, d, e) : -1;
}

static const struct rpc_method methods[] = {
	{ "Grow", on_grow, 0 },
	{ "Stats", on_stats, 0 },
};

struct rpc_service volumes_service(struct task_service *tasks)
{
	return (struct rpc_service){
		.desc = &husk__volumes__descriptor,
		.methods = methods,
		.n_methods = ARRAY_LEN(methods),
		.self = tasks,
	};
}
