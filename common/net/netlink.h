/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_NET_NETLINK_H
#define HUSK_NET_NETLINK_H

#include <netlink/netlink.h>
#include <netlink/route/link.h>

#include "common/base/cleanup.h"
#include "common/base/err.h"
#include "common/net/address.h"

/* libnl's objects with an owner, its errors as ours. */

struct nl_sock *netlink_open(struct err *e) must_check;

/* `code` is what libnl returned, negative. */
int netlink_error(struct err *e, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Lists of the kernel's; for nl_cache_free(). `family`: AF_UNSPEC for all. */
struct nl_cache *netlink_links(struct nl_sock *sock, struct err *e) must_check;
struct nl_cache *netlink_addresses(struct nl_sock *sock, struct err *e) must_check;
struct nl_cache *netlink_routes(struct nl_sock *sock, int family, struct err *e) must_check;

struct nl_addr *netlink_address(const struct ip_prefix *p) must_check; /* for nl_addr_put() */

/* ERR_NOT_FOUND with the words that hosts look for: "Link not found (Name: eth0)". */
int netlink_link_missing(struct err *e, const char *by, const char *value);

/* The number of the link with that name, or that error. */
int netlink_link_index(struct nl_cache *links, const char *name, struct err *e) must_check;

static inline void netlink_sock_slot(struct nl_sock **s)
{
	nl_socket_free(*s);
}
static inline void netlink_cache_slot(struct nl_cache **c)
{
	if (*c)
		nl_cache_free(*c);
}
static inline void netlink_address_slot(struct nl_addr **a)
{
	if (*a)
		nl_addr_put(*a);
}
static inline void netlink_link_slot(struct rtnl_link **l)
{
	if (*l)
		rtnl_link_put(*l);
}
#define auto_nl_sock  CLEANUP(netlink_sock_slot)
#define auto_nl_cache CLEANUP(netlink_cache_slot)
#define auto_nl_addr  CLEANUP(netlink_address_slot)
#define auto_nl_link  CLEANUP(netlink_link_slot)

#endif
