/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stats: what the guest's cgroup says of a container. containerd's CRI asks every second for every
 * container (containerd-shim.md 4.15): one question to the guest at a time, never longer than a
 * second, and what was heard last stands in for an answer that does not come, also after the end.
 */
#include "common/base/log.h"
#include "proto/any.h"
#include "shim/task/container.h"
#include "shim/task/handlers.h"
#include "shim/task/metrics.h"
#include "shim/task/watch.h"

#define STATS_MS 900

int stats_refresh(struct container *c, struct agent *agent, struct deadline d, struct err *e)
{
	Grpc__StatsContainerResponse *fresh = NULL;
	int result;

	while (c->asking_stats)
		if (cond_wait(&c->stats_changed, d, e) < 0)
			return -1;
	c->asking_stats = true;
	result = agent_stats_container(agent, c->id, &fresh, d, e);
	c->asking_stats = false;
	cond_wake_all(&c->stats_changed);
	if (result < 0)
		return -1;
	if (c->stats)
		grpc__stats_container_response__free_unpacked(c->stats, NULL);
	c->stats = fresh;
	return 0;
}

int on_stats(const struct rpc_call *call, const void *request, void *response, struct err *e)
{
	Containerd__Task__V2__StatsResponse *resp = response;
	auto_process struct process *p = process_ref(call->target);
	struct deadline d = deadline_min(call->deadline, deadline_in_ms(STATS_MS));
	struct container *c = p->container;
	ProtobufCMessage *metrics;
	struct agent *agent;
	struct err why = ERR_INIT;

	(void)request;
	/* Not found: the one answer that containerd does not log as a failure. */
	if (c->is_sandbox || p->state == PROCESS_CREATING)
		return err_set(e, ERR_NOT_FOUND, "stats of '%s': %s", c->id,
			       c->is_sandbox ? "a pod's sandbox has none of its own"
					     : "it is being created");
	if (service_agent(c->service, &agent, &why) < 0 || stats_refresh(c, agent, d, &why) < 0) {
		if (!c->stats) {
			*e = why;
			return err_wrap(e, "stats of '%s'", c->id);
		}
		log_debug("stats of '%s' are old: %s", c->id, why.text);
	}
	metrics = metrics_for_host(c->stats, c->oom_kills);
	resp->stats = any_pack(metrics);
	protobuf_c_message_free_unpacked(metrics, NULL);
	return 0;
}
