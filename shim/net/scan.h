/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_SHIM_NET_SCAN_H
#define HUSK_SHIM_NET_SCAN_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent.pb-c.h"
#include "common/base/cleanup.h"
#include "common/base/err.h"
#include "common/net/address.h"
#include "hypervisor/device.h"

/*
 * What a network namespace has, in the words of the agent protocol: the guest is to have the same.
 * Left out are what the guest's kernel makes itself (loopback, routes of addresses, link-local
 * addresses) and links that no guest can have (tunnels, bridges, our own taps). Of several routes to
 * one destination it is the one with the lowest metric, as the protocol has no metrics. A link that is
 * wanted but could not carry frames for a guest (ipvlan in mode l3s) is ERR_UNSUPPORTED.
 */

struct net_link {
	int index;
	char name[IFNAMSIZ];
	char kind[IFNAMSIZ]; /* "veth", "macvlan", …; "" for hardware */
	uint8_t hardware_address[HARDWARE_ADDRESS_LEN];
	uint32_t mtu;
	char tap[IFNAMSIZ];    /* a tap that is there and is its other end; "": to be made */
	uint32_t queues;       /* that the other end has; 0: as configured */
	char *vhost_user;      /* the socket of a process that is its other end; NULL: none */
	bool user;             /* it has none: the user-mode network, see user.h */
	struct hv_port *ports; /* of that, published */
	size_t n_ports;
	char ipv6_link[IFNAMSIZ];    /* of that: the host's link for IPv6; "": it has none */
	Types__Interface *interface; /* for types__interface__free_unpacked(); without devicePath */
};

struct net_scan {
	struct net_link *link;
	size_t n_links;
	Types__Route **route; /* those of the links above */
	size_t n_routes;
	Types__ARPNeighbor **neighbor;
	size_t n_neighbors;
};

/* What is made here is called this, and a number. */
#define NET_TAP_PREFIX "husk-tap"

/* Of the namespace that the thread is in; blocks, see netns_run(). */
int net_scan(struct net_scan *ret, struct err *e) must_check;
void net_scan_done(struct net_scan *s);

static inline void net_link_done(struct net_link *l)
{
	if (l->interface)
		types__interface__free_unpacked(l->interface, NULL);
	free(l->vhost_user);
	free(l->ports);
	l->interface = NULL;
	l->vhost_user = NULL;
	l->ports = NULL;
}

#define auto_net_scan CLEANUP(net_scan_done)

#endif
