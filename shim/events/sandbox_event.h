/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_SHIM_SANDBOX_EVENT_H
#define HUSK_SHIM_SANDBOX_EVENT_H

#include "shim/events/publisher.h"
#include "shim/sandbox/sandbox.h"

/*
 * Why a sandbox ended that nobody had stopped. TaskExit has no field for that, so it is an event of its own,
 * to be sent before the exits: topic SANDBOX_DIED_TOPIC, a google.rpc.Status whose message is `text` and whose one
 * detail is a google.rpc.ErrorInfo of the domain "io.containerd.husk.v2": reason as below, and in its
 * metadata sandbox_id and, where a process's end was the cause, process, pid, and signal or exit_code.
 *
 * Of the types that would do it is the one that every `ctr events` from containerd 1.6 on knows, because
 * gRPC brings it; 2.3 does not print google.protobuf.Struct or StringValue.
 */
#define SANDBOX_DIED_TOPIC "/husk/sandbox-died"

/* As ErrorInfo.reason is written. */
#define SANDBOX_MACHINE_DIED "MACHINE_DIED"
#define SANDBOX_HOST_OOM     "HOST_OUT_OF_MEMORY"
#define SANDBOX_AGENT_LOST   "AGENT_LOST"

struct sandbox_died_event {
	const char *sandbox_id;
	const char *reason; /* one of the above */
	const char *text;   /* for people */
	struct hv_dead_process process;
};

void event_sandbox_died(struct publisher *p, const struct sandbox_died_event *ev);

#endif
