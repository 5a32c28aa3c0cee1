/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_SHIM_PUBLISHER_H
#define HUSK_SHIM_PUBLISHER_H

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>

#include "common/async/deadline.h"
#include "common/base/err.h"

/*
 * The way events take to containerd: its ttrpc socket, service
 * containerd.services.events.ttrpc.v1.Events (containerd-shim.md 2.8, 2.9).
 *
 * Sending queues a copy and returns; one fiber passes the queue on in its order. While containerd is
 * away the queue waits for it. An event that containerd refuses is dropped, and so are the oldest
 * ones of more than PUBLISHER_QUEUE_MAX. Nothing that a client waits for depends on any of it.
 */
struct publisher;

#define PUBLISHER_QUEUE_MAX 2048

/* `ttrpc_address`: the socket's path; "" where no containerd listens: events are dropped. */
struct publisher *publisher_new(const char *ttrpc_address, const char *ns) must_check;

/* Never waits. The event is packed before this returns. */
void publisher_send(struct publisher *p, const char *topic, const ProtobufCMessage *event);

/* containerd has shown a sign of life: do not sit out the rest of a pause between two tries. */
void publisher_retry_now(struct publisher *p);

/* Until all is passed on, or the deadline. Returns how many events are left. */
size_t publisher_flush(struct publisher *p, struct deadline d);

/* What is still queued is lost. NULL is fine. */
void publisher_free(struct publisher *p);

#endif
