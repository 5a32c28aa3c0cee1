/* SPDX-License-Identifier: Apache-2.0 */
/* UpdateInterface, ListInterfaces; see net.h. */
#include <linux/if.h>
#include <linux/if_addr.h>
#include <netlink/route/addr.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/net/net.h"
#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/net/netlink.h"

#define SPARE_NAME_SUFFIX "_temp" /* of a link that has the wanted name, until ours is free */
#define MTU_MAX           65536u

struct wanted {
	const Types__Interface *message;
	bool has_hardware_address;
	uint8_t hardware_address[HARDWARE_ADDRESS_LEN];
	struct ip_prefix *addresses; /* one for each of the message's */
};

static int check(const Types__Interface *m, struct wanted *ret, struct err *e)
{
	ret->message = m;
	if (interface_name_check(m->name, e) < 0)
		return -1;
	if (m->n_ipaddresses > NET_ADDRESSES_MAX)
		return err_set(e, ERR_EXHAUSTED, "more than %u addresses", NET_ADDRESSES_MAX);
	if (m->mtu > MTU_MAX)
		return err_set(e, ERR_INVALID, "an MTU of %llu bytes", (unsigned long long)m->mtu);
	if (m->hwaddr[0]) {
		ret->has_hardware_address = true;
		if (hardware_address_parse(m->hwaddr, ret->hardware_address, e) < 0)
			return -1;
	}
	ret->addresses = xcalloc(m->n_ipaddresses + 1, sizeof(*ret->addresses));
	for (size_t i = 0; i < m->n_ipaddresses; i++)
		if (ip_prefix_parse_mask(m->ipaddresses[i]->address, m->ipaddresses[i]->mask,
					 &ret->addresses[i], e) < 0)
			return -1;
	return 0;
}

static void set_hardware_address(struct rtnl_link *change, const struct wanted *w)
{
	auto_nl_addr struct nl_addr *a =
		nl_addr_build(AF_LLC, w->hardware_address, HARDWARE_ADDRESS_LEN);

	rtnl_link_set_addr(change, a);
}

static bool has_hardware_address(struct rtnl_link *link, const struct wanted *w)
{
	struct nl_addr *a = rtnl_link_get_addr(link);

	return a && nl_addr_get_len(a) == HARDWARE_ADDRESS_LEN &&
	       memcmp(nl_addr_get_binary_addr(a), w->hardware_address, HARDWARE_ADDRESS_LEN) == 0;
}

/* A change of the link with that number, with what `set` is given. */
static int change_link(struct nl_sock *sock, int index, struct rtnl_link *change, const char *what,
		       struct err *e)
{
	auto_nl_link struct rtnl_link *link = rtnl_link_alloc();
	int r;

	rtnl_link_set_ifindex(link, index);
	r = rtnl_link_change(sock, link, change, 0);
	return r < 0 ? netlink_error(e, r, "%s", what) : 0;
}

static int set_flags(struct nl_sock *sock, int index, unsigned set, unsigned clear,
		     const char *what, struct err *e)
{
	auto_nl_link struct rtnl_link *change = rtnl_link_alloc();

	if (set)
		rtnl_link_set_flags(change, set);
	if (clear)
		rtnl_link_unset_flags(change, clear);
	return change_link(sock, index, change, what, e);
}

static int rename_link(struct nl_sock *sock, int index, const char *name, struct err *e)
{
	auto_nl_link struct rtnl_link *change = rtnl_link_alloc();
	auto_free char *what = xasprintf("rename a link to '%s'", name);

	rtnl_link_set_name(change, name);
	return change_link(sock, index, change, what, e);
}

/* The link that is meant; *ret_set_address: its hardware address is to be changed. Borrowed. */
static struct rtnl_link *find_link(struct nl_cache *links, const struct wanted *w,
				   const char *device, bool *ret_set_address, struct err *e)
{
	auto_nl_link struct rtnl_link *named = NULL;

	*ret_set_address = false;
	/* The place is certain, an address may be another link's for the moment. */
	if (device) {
		named = rtnl_link_get_by_name(links, device);
		if (!named)
			netlink_link_missing(e, "Name", device);
		else
			*ret_set_address =
				w->has_hardware_address && !has_hardware_address(named, w);
		return named;
	}
	for (struct nl_object *o = nl_cache_get_first(links); o && w->has_hardware_address;
	     o = nl_cache_get_next(o))
		if (has_hardware_address((struct rtnl_link *)o, w))
			return (struct rtnl_link *)o;
	named = rtnl_link_get_by_name(links, w->message->name);
	if (!named) {
		netlink_link_missing(e, w->has_hardware_address ? "Address" : "Name",
				     w->has_hardware_address ? w->message->hwaddr
							     : w->message->name);
		return NULL;
	}
	*ret_set_address = w->has_hardware_address;
	return named; /* the cache keeps it */
}

bool net_has_ipv6(void)
{
	auto_free char *off = NULL;
	struct err absent = ERR_INIT;

	return file_read_line(-1, "/proc/sys/net/ipv6/conf/all/disable_ipv6", &off, &absent) == 0 &&
	       strcmp(off, "0") == 0;
}

#define IPV4_BITS            32
#define BROADCAST_PREFIX_MAX 30 /* RFC 3021: with 31 both addresses are hosts' */

/* Programs ask the link for it (SIOCGIFBRDADDR); the kernel does not fill it in. */
static void set_broadcast(struct rtnl_addr *a, const struct ip_prefix *p)
{
	struct ip_prefix all = *p;
	auto_nl_addr struct nl_addr *broadcast = NULL;

	if (p->family != AF_INET || p->len > BROADCAST_PREFIX_MAX)
		return;
	for (unsigned bit = p->len; bit < IPV4_BITS; bit++)
		all.bytes[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
	all.len = IPV4_BITS;
	broadcast = netlink_address(&all);
	rtnl_addr_set_broadcast(a, broadcast);
}

static int add_addresses(struct nl_sock *sock, int index, const struct wanted *w, struct err *e)
{
	bool ipv6 = net_has_ipv6();

	for (size_t i = 0; i < w->message->n_ipaddresses; i++) {
		auto_nl_addr struct nl_addr *local = netlink_address(&w->addresses[i]);
		struct rtnl_addr *a;
		int r;

		if (w->addresses[i].family == AF_INET6 && !ipv6)
			continue;
		a = rtnl_addr_alloc();
		rtnl_addr_set_ifindex(a, index);
		/*
		 * Who else has it was found out on the host already, where the address is as well. The
		 * guest would do without for a second, and with a filter in between hear of nobody.
		 */
		if (w->addresses[i].family == AF_INET6)
			rtnl_addr_set_flags(a, IFA_F_NODAD);
		set_broadcast(a, &w->addresses[i]);
		r = rtnl_addr_set_local(a, local);
		if (r == 0)
			r = rtnl_addr_add(sock, a, NLM_F_CREATE | NLM_F_REPLACE);
		rtnl_addr_put(a);
		if (r < 0)
			return netlink_error(e, r, "add address %s",
					     w->message->ipaddresses[i]->address);
	}
	return 0;
}

/* Who has the wanted name steps aside and takes ours when that is free. */
static int take_name(struct nl_sock *sock, struct nl_cache *links, struct rtnl_link *link,
		     const char *name, struct err *e)
{
	auto_nl_link struct rtnl_link *other = rtnl_link_get_by_name(links, name);
	auto_free char *old = xstrdup(rtnl_link_get_name(link));
	auto_free char *spare = xasprintf("%.*s" SPARE_NAME_SUFFIX,
					  (int)(IFNAMSIZ - sizeof(SPARE_NAME_SUFFIX)), name);
	int index = rtnl_link_get_ifindex(link);
	int other_index = other ? rtnl_link_get_ifindex(other) : 0;

	if (other && (set_flags(sock, other_index, 0, IFF_UP, "set a link down", e) < 0 ||
		      rename_link(sock, other_index, spare, e) < 0))
		return -1;
	if (rename_link(sock, index, name, e) < 0)
		return -1;
	if (other && (rename_link(sock, other_index, old, e) < 0 ||
		      set_flags(sock, other_index, IFF_UP, 0, "set a link up", e) < 0))
		return -1;
	return 0;
}

static int set_properties(struct nl_sock *sock, int index, const struct wanted *w, bool set_address,
			  struct err *e)
{
	auto_nl_link struct rtnl_link *change = rtnl_link_alloc();

	if (set_address)
		set_hardware_address(change, w);
	if (w->message->mtu > 0)
		rtnl_link_set_mtu(change, (unsigned)w->message->mtu);
	if (w->message->raw_flags & IFF_NOARP)
		rtnl_link_set_flags(change, IFF_NOARP);
	else
		rtnl_link_unset_flags(change, IFF_NOARP);
	return change_link(sock, index, change, "set the link's properties", e);
}

static int update(struct nl_sock *sock, const struct wanted *w, const char *device, struct err *e)
{
	auto_nl_cache struct nl_cache *links = netlink_links(sock, e);
	bool set_address, set_name;
	struct rtnl_link *link;
	int index;

	if (!links)
		return -1;
	link = find_link(links, w, device, &set_address, e);
	if (!link)
		return -1;
	index = rtnl_link_get_ifindex(link);
	set_name = strcmp(rtnl_link_get_name(link), w->message->name) != 0;
	/* A link that is up lets neither be changed; it loses its routes with that. */
	if ((set_address || set_name) && (rtnl_link_get_flags(link) & IFF_UP) &&
	    set_flags(sock, index, 0, IFF_UP, "set the link down", e) < 0)
		return -1;
	if (set_name && take_name(sock, links, link, w->message->name, e) < 0)
		return -1;
	if (set_properties(sock, index, w, set_address, e) < 0 ||
	    add_addresses(sock, index, w, e) < 0)
		return -1;
	return set_flags(sock, index, IFF_UP, 0, "set the link up", e);
}

int net_update_interface(const Types__Interface *want, const char *device, struct err *e)
{
	struct wanted w = { .addresses = NULL };
	auto_nl_sock struct nl_sock *sock = NULL;
	int r = check(want, &w, e);

	if (r == 0) {
		sock = netlink_open(e);
		r = sock ? update(sock, &w, device, e) : -1;
	}
	free(w.addresses);
	return r;
}

static void add_address(Types__Interface *i, struct nl_addr *local)
{
	char text[64];
	Types__IPAddress *a;

	if (i->n_ipaddresses >= NET_ADDRESSES_MAX)
		return;
	a = xnew(Types__IPAddress);
	types__ipaddress__init(a);
	a->family =
		nl_addr_get_family(local) == AF_INET6 ? TYPES__IPFAMILY__v6 : TYPES__IPFAMILY__v4;
	a->address = xstrdup(nl_addr2str(local, text, sizeof(text)));
	a->address[strcspn(a->address, "/")] = '\0';
	a->mask = xasprintf("%u", nl_addr_get_prefixlen(local));
	i->ipaddresses = xrealloc(i->ipaddresses, (i->n_ipaddresses + 1) * sizeof(a));
	i->ipaddresses[i->n_ipaddresses++] = a;
}

static Types__Interface *describe(struct rtnl_link *link, struct nl_cache *addresses)
{
	Types__Interface *i = xnew(Types__Interface);
	struct nl_addr *hardware = rtnl_link_get_addr(link);
	char text[64];

	types__interface__init(i);
	i->name = xstrdup(rtnl_link_get_name(link));
	i->mtu = rtnl_link_get_mtu(link);
	if (hardware && nl_addr_get_len(hardware) == HARDWARE_ADDRESS_LEN) {
		i->hwaddr = xstrdup(nl_addr2str(hardware, text, sizeof(text)));
		for (char *p = i->hwaddr; *p; p++)
			if (*p >= 'a' && *p <= 'f')
				*p = (char)(*p - 'a' + 'A');
	}
	for (struct nl_object *o = nl_cache_get_first(addresses); o; o = nl_cache_get_next(o)) {
		struct rtnl_addr *a = (struct rtnl_addr *)o;

		if (rtnl_addr_get_ifindex(a) == rtnl_link_get_ifindex(link) &&
		    rtnl_addr_get_local(a))
			add_address(i, rtnl_addr_get_local(a));
	}
	return i;
}

int net_list_interfaces(Types__Interface ***ret, size_t *ret_n, struct err *e)
{
	auto_nl_sock struct nl_sock *sock = netlink_open(e);
	auto_nl_cache struct nl_cache *links = sock ? netlink_links(sock, e) : NULL;
	auto_nl_cache struct nl_cache *addresses = links ? netlink_addresses(sock, e) : NULL;
	size_t n = 0;

	if (!addresses)
		return -1;
	*ret = xcalloc((size_t)nl_cache_nitems(links) + 1, sizeof(**ret));
	for (struct nl_object *o = nl_cache_get_first(links); o; o = nl_cache_get_next(o))
		(*ret)[n++] = describe((struct rtnl_link *)o, addresses);
	*ret_n = n;
	return 0;
}
