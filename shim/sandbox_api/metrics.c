/* SPDX-License-Identifier: Apache-2.0 */
/* SandboxMetrics: what the containers of a sandbox use, added up. */
#include <stdlib.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "proto/any.h"
#include "shim/sandbox_api/handlers.h"
#include "shim/task/handlers.h"
#include "shim/task/metrics.h"
#include "shim/task/watch.h"

#define METRICS_MS 900 /* as for Stats: for all of them together */

struct sum {
	Grpc__StatsContainerResponse all;
	Grpc__CgroupStats cgroup;
	Grpc__CpuStats cpu;
	Grpc__CpuUsage cpu_usage;
	Grpc__MemoryStats memory;
	Grpc__MemoryData memory_usage;
	Grpc__PidsStats pids;
	uint64_t oom_kills;
};

static void sum_init(struct sum *s)
{
	*s = (struct sum){
		.all = GRPC__STATS_CONTAINER_RESPONSE__INIT,
		.cgroup = GRPC__CGROUP_STATS__INIT,
		.cpu = GRPC__CPU_STATS__INIT,
		.cpu_usage = GRPC__CPU_USAGE__INIT,
		.memory = GRPC__MEMORY_STATS__INIT,
		.memory_usage = GRPC__MEMORY_DATA__INIT,
		.pids = GRPC__PIDS_STATS__INIT,
	};
	s->all.cgroup_stats = &s->cgroup;
	s->cgroup.cpu_stats = &s->cpu;
	s->cpu.cpu_usage = &s->cpu_usage;
	s->cgroup.memory_stats = &s->memory;
	s->memory.usage = &s->memory_usage;
	s->cgroup.pids_stats = &s->pids;
}

static void sum_add(struct sum *s, const struct container *c)
{
	const Grpc__CgroupStats *one = c->stats ? c->stats->cgroup_stats : NULL;

	s->oom_kills += c->oom_kills;
	if (one && one->cpu_stats && one->cpu_stats->cpu_usage) {
		s->cpu_usage.total_usage += one->cpu_stats->cpu_usage->total_usage;
		s->cpu_usage.usage_in_usermode += one->cpu_stats->cpu_usage->usage_in_usermode;
		s->cpu_usage.usage_in_kernelmode += one->cpu_stats->cpu_usage->usage_in_kernelmode;
	}
	if (one && one->memory_stats && one->memory_stats->usage)
		s->memory_usage.usage += one->memory_stats->usage->usage;
	if (one && one->pids_stats)
		s->pids.current += one->pids_stats->current;
}

/* One that does not answer counts with what it said last. */
static void ask(const struct task_service *s, struct container *c, struct deadline d)
{
	struct agent *agent;
	struct err e = ERR_INIT;

	if (c->init->state != PROCESS_RUNNING)
		return;
	if (service_agent(s, &agent, &e) < 0 || stats_refresh(c, agent, d, &e) < 0)
		log_debug("stats of '%s' are old: %s", c->id, e.text);
}

int on_sandbox_metrics(const struct rpc_call *call, const void *request, void *response,
		       struct err *e)
{
	Containerd__Runtime__Sandbox__V1__SandboxMetricsResponse *resp = response;
	struct deadline d = deadline_min(call->deadline, deadline_in_ms(METRICS_MS));
	const struct task_service *s = call->self;
	auto_free struct container **list = NULL;
	struct container *c;
	ProtobufCMessage *metrics;
	struct sum sum;
	size_t n = 0;

	(void)request;
	(void)e;
	sum_init(&sum);
	/* They may come and go while one of them is asked. */
	list = xcalloc(HASH_COUNT(s->containers) + 1, sizeof(list[0]));
	for (c = s->containers; c; c = c->hh.next) {
		container_ref(c);
		list[n++] = c;
	}
	for (size_t i = 0; i < n; i++) {
		ask(s, list[i], d);
		sum_add(&sum, list[i]);
		container_unref(list[i]);
	}
	metrics = metrics_for_host(&sum.all, sum.oom_kills);
	resp->metrics = xnew(Containerd__Types__Metric);
	containerd__types__metric__init(resp->metrics);
	resp->metrics->id = xstrdup(s->sandbox_id);
	resp->metrics->timestamp = timestamp_new(process_now());
	resp->metrics->data = any_pack(metrics);
	protobuf_c_message_free_unpacked(metrics, NULL);
	return 0;
}
