/* SPDX-License-Identifier: Apache-2.0 */
/* UpdateRoutes, ListRoutes; see net.h. */
#include <linux/rtnetlink.h>
#include <netlink/errno.h>
#include <netlink/route/nexthop.h>
#include <netlink/route/route.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include "agent/net/net.h"
#include "common/base/mem.h"
#include "common/net/netlink.h"

static void route_slot(struct rtnl_route **r)
{
	if (*r)
		rtnl_route_put(*r);
}

static int family_of(const Types__Route *r)
{
	return r->family == TYPES__IPFAMILY__v6 ? AF_INET6 : AF_INET;
}

/* "" is fine and leaves *ret alone. */
static int parse_of_family(const char *text, const Types__Route *r, struct ip_prefix *ret,
			   struct err *e)
{
	if (!text[0])
		return 0;
	if (ip_prefix_parse(text, ret, e) < 0)
		return -1;
	if (ret->family != family_of(r))
		return err_set(e, ERR_INVALID, "'%s' is not of the route's family", text);
	return 0;
}

static int set_destination(struct rtnl_route *route, const Types__Route *r, struct err *e)
{
	struct ip_prefix p = { .family = family_of(r) };
	auto_nl_addr struct nl_addr *dest = NULL;

	if (parse_of_family(r->dest, r, &p, e) < 0)
		return -1;
	dest = netlink_address(&p);
	rtnl_route_set_dst(route, dest);
	return 0;
}

/*
 * A bare address is the one that packets are sent from (RTA_PREFSRC), which is what hosts mean. One with a
 * length is a condition on who sends (RTA_SRC).
 */
static int set_source(struct rtnl_route *route, const Types__Route *r, struct err *e)
{
	struct ip_prefix p;
	auto_nl_addr struct nl_addr *source = NULL;

	if (!r->source[0])
		return 0;
	if (parse_of_family(r->source, r, &p, e) < 0)
		return -1;
	source = netlink_address(&p);
	if (strchr(r->source, '/'))
		rtnl_route_set_src(route, source);
	else
		rtnl_route_set_pref_src(route, source);
	return 0;
}

static int set_nexthop(struct rtnl_route *route, const Types__Route *r, int index, struct err *e)
{
	struct ip_prefix p;
	struct rtnl_nexthop *hop;

	if (parse_of_family(r->gateway, r, &p, e) < 0)
		return -1;
	hop = rtnl_route_nh_alloc();
	rtnl_route_nh_set_ifindex(hop, index);
	if (r->gateway[0]) {
		auto_nl_addr struct nl_addr *gateway = netlink_address(&p);

		rtnl_route_nh_set_gateway(hop, gateway);
	}
	rtnl_route_nh_set_flags(hop, r->flags);
	rtnl_route_add_nexthop(route, hop); /* owns it now */
	return 0;
}

/* What the route says, without a look at the links: they may come later than the check. */
static struct rtnl_route *build(const Types__Route *r, int index, struct err *e)
{
	CLEANUP(route_slot) struct rtnl_route *route = rtnl_route_alloc();

	rtnl_route_set_table(route, RT_TABLE_MAIN);
	rtnl_route_set_type(route, RTN_UNICAST);
	rtnl_route_set_protocol(route, RTPROT_BOOT);
	rtnl_route_set_family(route, (uint8_t)family_of(r));
	rtnl_route_set_scope(route, (uint8_t)r->scope);
	rtnl_route_set_flags(route, r->flags);
	if (r->scope > UINT8_MAX) {
		err_set(e, ERR_INVALID, "%u is no scope of a route", r->scope);
		return NULL;
	}
	if (set_destination(route, r, e) < 0 || set_source(route, r, e) < 0 ||
	    set_nexthop(route, r, index, e) < 0)
		return NULL;
	if (r->mtu > 0)
		rtnl_route_set_metric(route, RTAX_MTU, r->mtu);
	return take_ptr(route);
}

static int add(struct nl_sock *sock, struct nl_cache *links, const Types__Route *r, struct err *e)
{
	CLEANUP(route_slot) struct rtnl_route *route = NULL;
	int index = netlink_link_index(links, r->device, e);
	int code;

	if (index < 0)
		return -1;
	route = build(r, index, e);
	if (!route)
		return -1;
	code = rtnl_route_add(sock, route, NLM_F_CREATE | NLM_F_REPLACE);
	if (code < 0 && code != -NLE_EXIST)
		return netlink_error(e, code, "add it");
	return 0;
}

int net_update_routes(Types__Route *const *route, size_t n, struct err *e)
{
	const bool ipv6 = net_has_ipv6();
	auto_nl_sock struct nl_sock *sock = NULL;
	auto_nl_cache struct nl_cache *links = NULL;

	if (n > NET_ROUTES_MAX)
		return err_set(e, ERR_EXHAUSTED, "more than %u routes", NET_ROUTES_MAX);
	for (size_t i = 0; i < n; i++) {
		CLEANUP(route_slot) struct rtnl_route *good = build(route[i], 1, e);

		if (!good)
			return err_wrap(e, "route to '%s'", route[i]->dest);
	}
	sock = netlink_open(e);
	links = sock ? netlink_links(sock, e) : NULL;
	if (!links)
		return -1;
	/* A gateway must be reachable by a route that is there. */
	for (int with_gateway = 0; with_gateway <= 1; with_gateway++)
		for (size_t i = 0; i < n; i++)
			if ((route[i]->gateway[0] != '\0') == with_gateway &&
			    (ipv6 || family_of(route[i]) != AF_INET6) &&
			    add(sock, links, route[i], e) < 0)
				return err_wrap(e, "route to '%s'", route[i]->dest);
	return 0;
}

static char *address_text(struct nl_addr *a)
{
	char text[64];

	return a ? xstrdup(nl_addr2str(a, text, sizeof(text))) : NULL;
}

static void set_text(char **field, char *text)
{
	if (text)
		*field = text;
}

static Types__Route *describe(struct rtnl_route *route, struct nl_cache *links)
{
	struct rtnl_nexthop *hop = rtnl_route_nexthop_n(route, 0);
	struct nl_addr *dest = rtnl_route_get_dst(route);
	bool v6 = rtnl_route_get_family(route) == AF_INET6;
	Types__Route *r = xnew(Types__Route);
	char name[64];
	uint32_t mtu;

	types__route__init(r);
	r->family = v6 ? TYPES__IPFAMILY__v6 : TYPES__IPFAMILY__v4;
	r->scope = rtnl_route_get_scope(route);
	r->flags = rtnl_route_get_flags(route);
	if (dest && nl_addr_get_prefixlen(dest) > 0)
		set_text(&r->dest, address_text(dest));
	else
		r->dest = xstrdup(v6 ? "::" : "0.0.0.0");
	set_text(&r->source, address_text(rtnl_route_get_pref_src(route)));
	if (hop) {
		set_text(&r->gateway, address_text(rtnl_route_nh_get_gateway(hop)));
		if (rtnl_link_i2name(links, rtnl_route_nh_get_ifindex(hop), name, sizeof(name)))
			r->device = xstrdup(name);
	}
	if (rtnl_route_get_metric(route, RTAX_MTU, &mtu) == 0)
		r->mtu = mtu;
	return r;
}

int net_list_routes(Types__Route ***ret, size_t *ret_n, struct err *e)
{
	auto_nl_sock struct nl_sock *sock = netlink_open(e);
	auto_nl_cache struct nl_cache *links = sock ? netlink_links(sock, e) : NULL;
	auto_nl_cache struct nl_cache *routes = links ? netlink_routes(sock, AF_UNSPEC, e) : NULL;
	size_t n = 0;

	if (!routes)
		return -1;
	*ret = xcalloc((size_t)nl_cache_nitems(routes) + 1, sizeof(**ret));
	for (struct nl_object *o = nl_cache_get_first(routes); o; o = nl_cache_get_next(o)) {
		struct rtnl_route *route = (struct rtnl_route *)o;

		if (rtnl_route_get_table(route) == RT_TABLE_MAIN &&
		    rtnl_route_get_type(route) == RTN_UNICAST)
			(*ret)[n++] = describe(route, links);
	}
	*ret_n = n;
	return 0;
}
