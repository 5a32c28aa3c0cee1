/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_AGENT_NET_NET_H
#define HUSK_AGENT_NET_NET_H

#include <stdbool.h>

#include "agent.pb-c.h"
#include "common/base/cleanup.h"
#include "common/base/err.h"

/*
 * The guest's network, as the host wants it (agent-protocol 3.13). Everything blocks for as long as the
 * kernel takes to answer and runs on a worker thread. A link that is not there is ERR_NOT_FOUND with
 * "Link not found" in the text, which hosts look for to try again. What a request says is checked before
 * anything is changed.
 */
#define NET_ADDRESSES_MAX 256u
#define NET_ROUTES_MAX    4096u
#define NET_NEIGHBORS_MAX 4096u

/*
 * Not so with ipv6.disable=1, or with the sysctl net.ipv6.conf.all.disable_ipv6. What a request says of
 * IPv6 is left out then: the host that asks does not know.
 */
bool net_has_ipv6(void);

/*
 * Name, hardware address, MTU, addresses and state of one link. It is found by its hardware address,
 * else by its name. `device`: the link that was found at devicePath, which gets the hardware address
 * first; NULL: none was given. Again with the same request: no change, and no interruption.
 */
int net_update_interface(const Types__Interface *want, const char *device, struct err *e)
	must_check;

/* For free_unpacked of the message they go into. */
int net_list_interfaces(Types__Interface ***ret, size_t *ret_n, struct err *e) must_check;

/* Those without a gateway first. Routes that are there and not in the list stay. */
int net_update_routes(Types__Route *const *route, size_t n, struct err *e) must_check;

/* The main table. */
int net_list_routes(Types__Route ***ret, size_t *ret_n, struct err *e) must_check;

int net_add_neighbors(Types__ARPNeighbor *const *neighbor, size_t n, struct err *e) must_check;

#endif
