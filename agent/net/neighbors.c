/* SPDX-License-Identifier: Apache-2.0 */
/* AddARPNeighbors; see net.h. */
#include <linux/neighbour.h>
#include <netlink/route/neighbour.h>

#include "agent/net/net.h"
#include "common/base/mem.h"
#include "common/net/netlink.h"

static void neigh_slot(struct rtnl_neigh **n)
{
	if (*n)
		rtnl_neigh_put(*n);
}

static int add(struct nl_sock *sock, struct nl_cache *links, const Types__ARPNeighbor *m,
	       struct err *e)
{
	CLEANUP(neigh_slot) struct rtnl_neigh *n = rtnl_neigh_alloc();
	auto_nl_addr struct nl_addr *ip = NULL;
	auto_nl_addr struct nl_addr *hardware = NULL;
	uint8_t bytes[HARDWARE_ADDRESS_LEN];
	struct ip_prefix p;
	int index, r;

	if (!m->toipaddress || !m->toipaddress->address[0])
		return err_set(e, ERR_INVALID, "it has no IP address");
	if (ip_prefix_parse_mask(m->toipaddress->address, "", &p, e) < 0)
		return -1;
	if (m->lladdr[0] && hardware_address_parse(m->lladdr, bytes, e) < 0)
		return -1;
	if (p.family == AF_INET6 && !net_has_ipv6())
		return 0;
	index = netlink_link_index(links, m->device, e);
	if (index < 0)
		return -1;
	ip = netlink_address(&p);
	rtnl_neigh_set_ifindex(n, index);
	rtnl_neigh_set_family(n, p.family);
	rtnl_neigh_set_dst(n, ip);
	rtnl_neigh_set_state(n, m->state ? m->state : NUD_PERMANENT);
	rtnl_neigh_set_flags(n, (unsigned)m->flags);
	if (m->lladdr[0]) {
		hardware = nl_addr_build(AF_LLC, bytes, sizeof(bytes));
		rtnl_neigh_set_lladdr(n, hardware);
	}
	r = rtnl_neigh_add(sock, n, NLM_F_CREATE | NLM_F_REPLACE);
	return r < 0 ? netlink_error(e, r, "add it") : 0;
}

int net_add_neighbors(Types__ARPNeighbor *const *neighbor, size_t n, struct err *e)
{
	auto_nl_sock struct nl_sock *sock = NULL;
	auto_nl_cache struct nl_cache *links = NULL;

	if (n > NET_NEIGHBORS_MAX)
		return err_set(e, ERR_EXHAUSTED, "more than %u neighbors", NET_NEIGHBORS_MAX);
	sock = netlink_open(e);
	links = sock ? netlink_links(sock, e) : NULL;
	if (!links)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (add(sock, links, neighbor[i], e) < 0)
			return err_wrap(e, "neighbor %zu", i);
	return 0;
}
