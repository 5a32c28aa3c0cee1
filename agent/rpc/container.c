/* SPDX-License-Identifier: Apache-2.0 */
/* Containers: create, start, remove, limits, statistics, freezer. */
#include "agent/rpc/handlers.h"

/* No request may keep the agent busy for ever, whatever limit its host gave or forgot. */
#define CREATE_LIMIT_MS 60000
#define START_LIMIT_MS  30000
#define FREEZE_LIMIT_MS 10000

HANDLER(on_create_container)
{
	struct deadline d = deadline_min(call->deadline, deadline_in_ms(CREATE_LIMIT_MS));

	(void)resp;
	return container_create(call->self, req, d, e);
}

HANDLER(on_start_container)
{
	struct deadline d = deadline_min(call->deadline, deadline_in_ms(START_LIMIT_MS));

	(void)req;
	(void)resp;
	return container_start(call->target, d, e);
}

/* Each step of the removal has its own limit: without one of the host's it comes to its end. */
HANDLER(on_remove_container)
{
	const Grpc__RemoveContainerRequest *remove = req;
	struct deadline d = deadline_in_ms((int64_t)remove->timeout * 1000);

	(void)resp;
	if (remove->timeout > 0)
		return container_remove_until(call->target, d, e);
	container_remove(call->target);
	return 0;
}

HANDLER(on_update_container)
{
	const Grpc__UpdateContainerRequest *update = req;

	(void)resp;
	if (!update->resources)
		return 0;
	return container_update(call->target, update->resources, e);
}

HANDLER(on_stats_container)
{
	const struct container *c = call->target;
	Grpc__StatsContainerResponse *answer = resp;

	(void)req;
	if (!c->cgroup)
		return 0;
	answer->cgroup_stats = cgroup_stats(c->cgroup, e);
	return answer->cgroup_stats ? 0 : -1;
}

HANDLER(on_pause_container)
{
	struct deadline d = deadline_min(call->deadline, deadline_in_ms(FREEZE_LIMIT_MS));

	(void)req;
	(void)resp;
	return container_pause(call->target, d, e);
}

HANDLER(on_resume_container)
{
	struct deadline d = deadline_min(call->deadline, deadline_in_ms(FREEZE_LIMIT_MS));

	(void)req;
	(void)resp;
	return container_resume(call->target, d, e);
}
