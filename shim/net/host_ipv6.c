/* SPDX-License-Identifier: Apache-2.0 */
/* The host's way to IPv6; see host_ipv6.h. */
#include "shim/net/host_ipv6.h"

#include <linux/rtnetlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/nexthop.h>
#include <netlink/route/route.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "common/net/netlink.h"

static bool is_default(struct rtnl_route *r)
{
	struct nl_addr *dest = rtnl_route_get_dst(r);

	return rtnl_route_get_table(r) == RT_TABLE_MAIN && rtnl_route_get_type(r) == RTN_UNICAST &&
	       (!dest || nl_addr_get_prefixlen(dest) == 0) && rtnl_route_get_nnexthops(r) > 0;
}

/* The number of the link of the route that the kernel prefers; 0: there is none. */
static int find_route(struct nl_sock *sock, int *ret, struct err *e)
{
	auto_nl_cache struct nl_cache *routes = netlink_routes(sock, AF_INET6, e);
	uint32_t best = UINT32_MAX;

	*ret = 0;
	if (!routes)
		return -1;
	for (struct nl_object *o = nl_cache_get_first(routes); o; o = nl_cache_get_next(o)) {
		struct rtnl_route *route = (struct rtnl_route *)o;

		if (!is_default(route) || (*ret > 0 && rtnl_route_get_priority(route) >= best))
			continue;
		best = rtnl_route_get_priority(route);
		*ret = rtnl_route_nh_get_ifindex(rtnl_route_nexthop_n(route, 0));
	}
	return 0;
}

/* Of those with a link-local address: this one if it is among them. 0: there is none. */
static int find_link(struct nl_sock *sock, int preferred, int *ret, struct err *e)
{
	auto_nl_cache struct nl_cache *addresses = netlink_addresses(sock, e);

	*ret = 0;
	if (!addresses)
		return -1;
	for (struct nl_object *o = nl_cache_get_first(addresses); o; o = nl_cache_get_next(o)) {
		struct rtnl_addr *a = (struct rtnl_addr *)o;

		if (rtnl_addr_get_family(a) == AF_INET6 &&
		    rtnl_addr_get_scope(a) == RT_SCOPE_LINK &&
		    (*ret == 0 || rtnl_addr_get_ifindex(a) == preferred))
			*ret = rtnl_addr_get_ifindex(a);
	}
	return 0;
}

int host_ipv6_link(char ret[static IFNAMSIZ], struct err *e)
{
	auto_nl_sock struct nl_sock *sock = netlink_open(e);
	int route, link = 0;

	*ret = '\0';
	if (!sock || find_route(sock, &route, e) < 0 ||
	    (route > 0 && find_link(sock, route, &link, e) < 0))
		return -1;
	if (link > 0 && !if_indextoname((unsigned)link, ret))
		return err_sys(e, errno, "name of link %d", link);
	return 0;
}
