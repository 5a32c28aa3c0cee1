/* SPDX-License-Identifier: Apache-2.0 */
/* libnl with owners and our errors; see netlink.h. */
#include "common/net/netlink.h"

#include <netlink/errno.h>
#include <netlink/route/addr.h>
#include <netlink/route/route.h>
#include <stdarg.h>
#include <sys/socket.h>

#include "common/base/mem.h"

int netlink_error(struct err *e, int code, const char *fmt, ...)
{
	auto_free char *what = NULL;
	va_list ap;

	va_start(ap, fmt);
	what = xvasprintf(fmt, ap);
	va_end(ap);
	return err_set(e, ERR_INTERNAL, "%s: %s", what, nl_geterror(code));
}

struct nl_sock *netlink_open(struct err *e)
{
	auto_nl_sock struct nl_sock *sock = nl_socket_alloc();
	int r = sock ? nl_connect(sock, NETLINK_ROUTE) : -NLE_NOMEM;

	if (r < 0) {
		netlink_error(e, r, "open a netlink socket");
		return NULL;
	}
	return take_ptr(sock);
}

/* What libnl's call for a list returned. */
static struct nl_cache *list(int code, struct nl_cache *cache, const char *what, struct err *e)
{
	if (code == 0)
		return cache;
	netlink_error(e, code, "list %s", what);
	return NULL;
}

struct nl_cache *netlink_links(struct nl_sock *sock, struct err *e)
{
	struct nl_cache *cache = NULL;
	int r = rtnl_link_alloc_cache(sock, AF_UNSPEC, &cache);

	return list(r, cache, "links", e);
}

struct nl_cache *netlink_addresses(struct nl_sock *sock, struct err *e)
{
	struct nl_cache *cache = NULL;
	int r = rtnl_addr_alloc_cache(sock, &cache);

	return list(r, cache, "addresses", e);
}

struct nl_cache *netlink_routes(struct nl_sock *sock, int family, struct err *e)
{
	struct nl_cache *cache = NULL;
	int r = rtnl_route_alloc_cache(sock, family, 0, &cache);

	return list(r, cache, "routes", e);
}

struct nl_addr *netlink_address(const struct ip_prefix *p)
{
	struct nl_addr *a = nl_addr_build(p->family, p->bytes, ip_size(p->family));

	if (!a)
		abort(); /* as xmalloc() does */
	nl_addr_set_prefixlen(a, p->len);
	return a;
}

int netlink_link_missing(struct err *e, const char *by, const char *value)
{
	return err_set(e, ERR_NOT_FOUND, "Link not found (%s: %s)", by, value);
}

int netlink_link_index(struct nl_cache *links, const char *name, struct err *e)
{
	int index = rtnl_link_name2i(links, name);

	return index > 0 ? index : netlink_link_missing(e, "Name", name);
}
