/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_SHIM_TASK_METRICS_H
#define HUSK_SHIM_TASK_METRICS_H

#include <stdint.h>

#include "agent.pb-c.h"
#include "common/base/cleanup.h"

/*
 * The agent's figures as one of the two messages that containerd knows: io.containerd.cgroups.v1 or
 * v2.Metrics. The guest may have either version of cgroups: each row of memory.stat is looked up by
 * both of its names. `oom_kills`: as counted by the OOM events. For
 * protobuf_c_message_free_unpacked().
 */
ProtobufCMessage *metrics_v1(const Grpc__StatsContainerResponse *stats, uint64_t oom_kills)
	must_check;
ProtobufCMessage *metrics_v2(const Grpc__StatsContainerResponse *stats, uint64_t oom_kills)
	must_check;

/* The one that fits the host's own cgroups: tools read that (containerd-shim.md 3.5). */
ProtobufCMessage *metrics_for_host(const Grpc__StatsContainerResponse *stats, uint64_t oom_kills)
	must_check;

#endif
