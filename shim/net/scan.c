/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a network namespace; see scan.h. */
#include "shim/net/scan.h"

#include <arpa/inet.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/link/ipvlan.h>
#include <netlink/route/neighbour.h>
#include <netlink/route/nexthop.h>
#include <netlink/route/route.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/mem.h"
#include "common/net/netlink.h"

/* What an agent takes (agent/net/net.h), so that more is an error before anything is done. */
#define ADDRESSES_MAX 256u
#define ROUTES_MAX    4096u
#define NEIGHBORS_MAX 4096u
#define LINKS_MAX     64u

static bool is_usable_kind(const char *kind)
{
	static const char *const usable[] = { "",       "veth", "macvlan", "macvtap",
					      "ipvlan", "vlan", "tun" };

	for (size_t i = 0; i < ARRAY_LEN(usable); i++)
		if (strcmp(kind, usable[i]) == 0)
			return true;
	return false;
}

static bool is_wanted(struct rtnl_link *l)
{
	const char *kind = rtnl_link_get_type(l);
	const char *name = rtnl_link_get_name(l);
	struct nl_addr *hardware = rtnl_link_get_addr(l);

	return name && rtnl_link_get_arptype(l) == ARPHRD_ETHER &&
	       !(rtnl_link_get_flags(l) & IFF_LOOPBACK) && (rtnl_link_get_flags(l) & IFF_UP) &&
	       hardware && nl_addr_get_len(hardware) == HARDWARE_ADDRESS_LEN &&
	       is_usable_kind(kind ? kind : "") &&
	       strncmp(name, NET_TAP_PREFIX, strlen(NET_TAP_PREFIX)) != 0;
}

/* An address without its length, as inet_ntop(3) writes it. For free(). */
static char *address_text(struct nl_addr *a)
{
	char text[INET6_ADDRSTRLEN];

	if (!a || !inet_ntop(nl_addr_get_family(a), nl_addr_get_binary_addr(a), text, sizeof(text)))
		return NULL;
	return xstrdup(text);
}

static char *prefix_text(struct nl_addr *a)
{
	auto_free char *address = address_text(a);

	return address ? xasprintf("%s/%u", address, nl_addr_get_prefixlen(a)) : NULL;
}

/* Members that stay unset point to protobuf-c's shared "". */
static void set_text(char **field, char *text)
{
	if (text)
		*field = text;
}

static Types__IPFamily family_word(int family)
{
	return family == AF_INET6 ? TYPES__IPFAMILY__v6 : TYPES__IPFAMILY__v4;
}

static bool is_multicast_or_unset(struct nl_addr *a)
{
	return !a || nl_addr_iszero(a);
}

/* ---- Links and addresses ---- */

static void add_link(struct net_scan *s, struct rtnl_link *l)
{
	const char *kind = rtnl_link_get_type(l);
	struct net_link *link = &s->link[s->n_links++];
	const uint8_t *m = link->hardware_address;
	Types__Interface *i = xnew(Types__Interface);

	link->index = rtnl_link_get_ifindex(l);
	(void)snprintf(link->name, sizeof(link->name), "%s", rtnl_link_get_name(l));
	(void)snprintf(link->kind, sizeof(link->kind), "%s", kind ? kind : "");
	memcpy(link->hardware_address, nl_addr_get_binary_addr(rtnl_link_get_addr(l)),
	       HARDWARE_ADDRESS_LEN);
	link->mtu = rtnl_link_get_mtu(l);

	types__interface__init(i);
	i->device = xstrdup(link->name);
	i->name = xstrdup(link->name);
	i->mtu = link->mtu;
	i->hwaddr = xasprintf("%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
	i->type = xstrdup(link->kind);
	i->raw_flags = rtnl_link_get_flags(l) & IFF_NOARP;
	link->interface = i;
}

/*
 * In mode l3s the kernel takes what arrives off the shared link as IP packets, behind its filters
 * (drivers/net/ipvlan/ipvlan_l3s.c): no frame would ever reach the guest. In l2 and l3 they come through
 * the link itself.
 */
static int check_mode(struct rtnl_link *l, struct err *e)
{
	uint16_t mode;

	if (!rtnl_link_is_ipvlan(l) || rtnl_link_ipvlan_get_mode(l, &mode) < 0 ||
	    mode != IPVLAN_MODE_L3S)
		return 0;
	return err_set(
		e, ERR_UNSUPPORTED,
		"link '%s' is an ipvlan in mode l3s, whose frames cannot be passed to a guest: "
		"make it one in mode l2 or l3",
		rtnl_link_get_name(l));
}

static int scan_links(struct nl_sock *sock, struct net_scan *s, struct err *e)
{
	auto_nl_cache struct nl_cache *links = netlink_links(sock, e);

	if (!links)
		return -1;
	s->link = xcalloc(LINKS_MAX, sizeof(s->link[0]));
	for (struct nl_object *o = nl_cache_get_first(links); o; o = nl_cache_get_next(o)) {
		if (!is_wanted((struct rtnl_link *)o))
			continue;
		if (check_mode((struct rtnl_link *)o, e) < 0)
			return -1;
		if (s->n_links == LINKS_MAX)
			return err_set(e, ERR_EXHAUSTED, "more than %u links", LINKS_MAX);
		add_link(s, (struct rtnl_link *)o);
	}
	return 0;
}

static struct net_link *link_of(const struct net_scan *s, int index)
{
	for (size_t i = 0; i < s->n_links; i++)
		if (s->link[i].index == index)
			return &s->link[i];
	return NULL;
}

/* The guest makes its own fe80::… from the same hardware address. */
static bool is_made_by_kernel(struct rtnl_addr *a)
{
	return rtnl_addr_get_family(a) == AF_INET6 && rtnl_addr_get_scope(a) == RT_SCOPE_LINK;
}

static int add_address(struct net_link *link, struct nl_addr *local, struct err *e)
{
	Types__Interface *i = link->interface;
	Types__IPAddress *a;

	if (i->n_ipaddresses == ADDRESSES_MAX)
		return err_set(e, ERR_EXHAUSTED, "link '%s' has more than %u addresses", link->name,
			       ADDRESSES_MAX);
	a = xnew(Types__IPAddress);
	types__ipaddress__init(a);
	a->family = family_word(nl_addr_get_family(local));
	set_text(&a->address, address_text(local));
	a->mask = xasprintf("%u", nl_addr_get_prefixlen(local));
	i->ipaddresses =
		xrealloc(i->ipaddresses, (i->n_ipaddresses + 1) * sizeof(i->ipaddresses[0]));
	i->ipaddresses[i->n_ipaddresses++] = a;
	return 0;
}

static int scan_addresses(struct nl_sock *sock, struct net_scan *s, struct err *e)
{
	auto_nl_cache struct nl_cache *addresses = netlink_addresses(sock, e);

	if (!addresses)
		return -1;
	for (struct nl_object *o = nl_cache_get_first(addresses); o; o = nl_cache_get_next(o)) {
		struct rtnl_addr *a = (struct rtnl_addr *)o;
		struct net_link *link = link_of(s, rtnl_addr_get_ifindex(a));

		if (link && rtnl_addr_get_local(a) && !is_made_by_kernel(a) &&
		    add_address(link, rtnl_addr_get_local(a), e) < 0)
			return -1;
	}
	return 0;
}

/* ---- Routes ---- */

static const struct net_link *link_of_route(const struct net_scan *s, struct rtnl_route *r)
{
	struct rtnl_nexthop *hop = rtnl_route_nexthop_n(r, 0);

	return hop ? link_of(s, rtnl_route_nh_get_ifindex(hop)) : NULL;
}

/* A way for unicast packets of any type of service, for which the protocol has no field. */
static bool is_way(const struct net_scan *s, struct rtnl_route *r)
{
	/* RFC 4861: the guest's kernel hears the same router advertisements and redirects. */
	return rtnl_route_get_table(r) == RT_TABLE_MAIN && rtnl_route_get_type(r) == RTN_UNICAST &&
	       rtnl_route_get_protocol(r) != RTPROT_RA &&
	       rtnl_route_get_protocol(r) != RTPROT_REDIRECT && rtnl_route_get_tos(r) == 0 &&
	       link_of_route(s, r);
}

static bool have_same_destination(struct rtnl_route *a, struct rtnl_route *b)
{
	struct nl_addr *to_a = rtnl_route_get_dst(a), *to_b = rtnl_route_get_dst(b);

	if (rtnl_route_get_family(a) != rtnl_route_get_family(b))
		return false;
	return to_a && to_b ? nl_addr_cmp(to_a, to_b) == 0 : to_a == to_b;
}

/*
 * Is there a way to the same destination that the kernel takes before this one: with a lower metric, or
 * listed earlier? The protocol has no metrics, and in the guest the one would replace the other.
 */
static bool is_second_choice(const struct net_scan *s, struct nl_cache *routes,
			     struct rtnl_route *r)
{
	const uint32_t metric = rtnl_route_get_priority(r);
	bool earlier = true;

	for (struct nl_object *o = nl_cache_get_first(routes); o; o = nl_cache_get_next(o)) {
		struct rtnl_route *other = (struct rtnl_route *)o;

		if (other == r)
			earlier = false;
		else if ((rtnl_route_get_priority(other) < metric ||
			  (earlier && rtnl_route_get_priority(other) == metric)) &&
			 have_same_destination(r, other) && is_way(s, other))
			return true;
	}
	return false;
}

static Types__Route *describe_route(struct rtnl_route *r, const struct net_link *link)
{
	struct rtnl_nexthop *hop = rtnl_route_nexthop_n(r, 0);
	Types__Route *to = xnew(Types__Route);
	struct nl_addr *dest = rtnl_route_get_dst(r);
	uint32_t mtu;

	types__route__init(to);
	to->family = family_word(rtnl_route_get_family(r));
	if (!is_multicast_or_unset(dest) || (dest && nl_addr_get_prefixlen(dest) > 0))
		set_text(&to->dest, prefix_text(dest));
	set_text(&to->gateway, address_text(rtnl_route_nh_get_gateway(hop)));
	set_text(&to->source, address_text(rtnl_route_get_pref_src(r)));
	to->device = xstrdup(link->name);
	to->scope = rtnl_route_get_scope(r);
	to->flags = rtnl_route_nh_get_flags(hop) & RTNH_F_ONLINK;
	if (rtnl_route_get_metric(r, RTAX_MTU, &mtu) == 0)
		to->mtu = mtu;
	return to;
}

static int scan_routes(struct nl_sock *sock, struct net_scan *s, struct err *e)
{
	auto_nl_cache struct nl_cache *routes = netlink_routes(sock, AF_UNSPEC, e);

	if (!routes)
		return -1;
	s->route = xcalloc((size_t)nl_cache_nitems(routes) + 1, sizeof(s->route[0]));
	for (struct nl_object *o = nl_cache_get_first(routes); o; o = nl_cache_get_next(o)) {
		struct rtnl_route *route = (struct rtnl_route *)o;

		/* The guest's kernel makes its own of its addresses. */
		if (!is_way(s, route) || rtnl_route_get_protocol(route) == RTPROT_KERNEL ||
		    is_second_choice(s, routes, route))
			continue;
		if (s->n_routes == ROUTES_MAX)
			return err_set(e, ERR_EXHAUSTED, "more than %u routes", ROUTES_MAX);
		s->route[s->n_routes++] = describe_route(route, link_of_route(s, route));
	}
	return 0;
}

/* ---- Neighbours ---- */

/* What somebody set by hand; what the kernel learnt the guest learns as well. */
static bool neighbor_is_wanted(struct rtnl_neigh *n)
{
	int family = rtnl_neigh_get_family(n);

	return (family == AF_INET || family == AF_INET6) &&
	       (rtnl_neigh_get_state(n) & NUD_PERMANENT) && rtnl_neigh_get_dst(n) &&
	       rtnl_neigh_get_lladdr(n) &&
	       nl_addr_get_len(rtnl_neigh_get_lladdr(n)) == HARDWARE_ADDRESS_LEN;
}

static Types__ARPNeighbor *describe_neighbor(struct rtnl_neigh *n, const struct net_link *link)
{
	const uint8_t *m = nl_addr_get_binary_addr(rtnl_neigh_get_lladdr(n));
	Types__ARPNeighbor *to = xnew(Types__ARPNeighbor);
	Types__IPAddress *a = xnew(Types__IPAddress);

	types__ipaddress__init(a);
	a->family = family_word(rtnl_neigh_get_family(n));
	set_text(&a->address, address_text(rtnl_neigh_get_dst(n)));
	types__arpneighbor__init(to);
	to->toipaddress = a;
	to->device = xstrdup(link->name);
	to->lladdr = xasprintf("%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
	to->state = NUD_PERMANENT;
	return to;
}

static int scan_neighbors(struct nl_sock *sock, struct net_scan *s, struct err *e)
{
	auto_nl_cache struct nl_cache *neighbors = NULL;
	int r = rtnl_neigh_alloc_cache(sock, &neighbors);

	if (r < 0)
		return netlink_error(e, r, "list neighbors");
	s->neighbor = xcalloc((size_t)nl_cache_nitems(neighbors) + 1, sizeof(s->neighbor[0]));
	for (struct nl_object *o = nl_cache_get_first(neighbors); o; o = nl_cache_get_next(o)) {
		struct rtnl_neigh *n = (struct rtnl_neigh *)o;
		const struct net_link *link = link_of(s, rtnl_neigh_get_ifindex(n));

		if (!link || !neighbor_is_wanted(n))
			continue;
		if (s->n_neighbors == NEIGHBORS_MAX)
			return err_set(e, ERR_EXHAUSTED, "more than %u neighbors", NEIGHBORS_MAX);
		s->neighbor[s->n_neighbors++] = describe_neighbor(n, link);
	}
	return 0;
}

int net_scan(struct net_scan *ret, struct err *e)
{
	auto_nl_sock struct nl_sock *sock = netlink_open(e);
	auto_net_scan struct net_scan s = { .n_links = 0 };

	if (!sock || scan_links(sock, &s, e) < 0)
		return -1;
	/* The usual case of a container that was given no network. */
	if (s.n_links > 0 && (scan_addresses(sock, &s, e) < 0 || scan_routes(sock, &s, e) < 0 ||
			      scan_neighbors(sock, &s, e) < 0))
		return -1;
	*ret = s;
	s = (struct net_scan){ .n_links = 0 };
	return 0;
}

void net_scan_done(struct net_scan *s)
{
	for (size_t i = 0; i < s->n_links; i++)
		net_link_done(&s->link[i]);
	for (size_t i = 0; i < s->n_routes; i++)
		types__route__free_unpacked(s->route[i], NULL);
	for (size_t i = 0; i < s->n_neighbors; i++)
		types__arpneighbor__free_unpacked(s->neighbor[i], NULL);
	free(s->link);
	free(s->route);
	free(s->neighbor);
	*s = (struct net_scan){ .n_links = 0 };
}
