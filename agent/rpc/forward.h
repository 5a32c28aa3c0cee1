/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_AGENT_FORWARD_H
#define HUSK_AGENT_FORWARD_H

#include <stddef.h>
#include <stdint.h>

#include "common/rpc/server.h"

/*
 * husk.Forward: connections of the host to servers in the guest, those that listen on its localhost
 * alone included. The host relays for whoever connected on its side of the network.
 */
struct forward_connection;

struct forward {
	struct forward_connection *connections;
	size_t n;
	uint64_t last_id;
};

/* A service with `f`, zeroed, as its self. */
struct rpc_service forward_service(struct forward *f);

#define FORWARD_FEATURE "husk.forward"

#endif
