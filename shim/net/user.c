/* SPDX-License-Identifier: Apache-2.0 */
/* The user-mode network; see user.h. */
#include "shim/net/user.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/num.h"

#define NAME             "eth0"
#define HARDWARE_ADDRESS "02:00:0a:00:02:0f" /* each guest is alone in its network */
#define PORTS_MAX        256u
#define EVERY_ADDRESS    "0.0.0.0"

/* ---- Published ports ---- */

static int wrong(const char *text, const char *what, struct err *e)
{
	return err_set(e, ERR_INVALID, "published_ports: \"%.60s\": %s", text, what);
}

static bool parse_number(const char *text, uint16_t *ret)
{
	uint32_t n;

	if (!num_u32(text, 10, &n) || n == 0 || n > UINT16_MAX)
		return false;
	*ret = (uint16_t)n;
	return true;
}

/* Cuts "/udp" off. */
static bool parse_protocol(char *text, bool *ret_udp)
{
	char *slash = strchr(text, '/');

	*ret_udp = slash && strcmp(slash, "/udp") == 0;
	if (!slash)
		return true;
	*slash = '\0';
	return *ret_udp || strcmp(slash + 1, "tcp") == 0;
}

static bool is_ipv6(const struct hv_port *p)
{
	return strchr(p->address, ':');
}

/* Written as the kernel does it, so that equal ones are equal texts. Cuts the brackets off. */
static bool parse_address(char *text, char ret[static INET6_ADDRSTRLEN])
{
	size_t len = strlen(text);
	bool bracketed = len > 2 && text[0] == '[' && text[len - 1] == ']';
	int family = bracketed ? AF_INET6 : AF_INET;
	struct in6_addr address; /* has room for either */

	if (bracketed) {
		text[len - 1] = '\0';
		text++;
	}
	if (inet_pton(family, text, &address) != 1 || (bracketed && IN6_IS_ADDR_V4MAPPED(&address)))
		return false;
	return inet_ntop(family, &address, ret, INET6_ADDRSTRLEN);
}

int user_net_parse_port(const char *text, struct hv_port *ret, struct err *e)
{
	auto_free char *copy = xstrdup(text);
	struct hv_port p = { .address = EVERY_ADDRESS };
	char *guest, *host;

	if (!parse_protocol(copy, &p.udp))
		return wrong(text, "its protocol is not tcp or udp", e);
	guest = strrchr(copy, ':');
	if (!guest)
		return wrong(text, "not [ADDRESS:]PORT:PORT", e);
	*guest++ = '\0';
	host = strrchr(copy, ':');
	if (host) {
		*host++ = '\0';
		if (!parse_address(copy, p.address))
			return wrong(text, "its address is none of IPv4, nor of IPv6 in brackets",
				     e);
	}
	if (!parse_number(host ? host : copy, &p.host) || !parse_number(guest, &p.guest))
		return wrong(text, "a port is a number from 1 to 65535", e);
	*ret = p;
	return 0;
}

static int parse_ports(const struct config *c, struct net_link *link, struct err *e)
{
	char *const *list = c->runtime.published_ports;
	size_t n = strv_len((const char *const *)list);

	if (n > PORTS_MAX)
		return err_set(e, ERR_EXHAUSTED, "published_ports: more than %u", PORTS_MAX);
	link->ports = xcalloc(n + 1, sizeof(link->ports[0]));
	for (size_t i = 0; i < n; i++) {
		struct hv_port *p = &link->ports[link->n_ports++];

		if (user_net_parse_port(list[i], p, e) < 0)
			return -1;
		if (is_ipv6(p) && *link->ipv6_link == '\0')
			return wrong(list[i], "the host has no IPv6 (a default route)", e);
	}
	return 0;
}

/* ---- What the guest is told ---- */

static void add_address(Types__Interface *i, Types__IPFamily family, const char *address,
			const char *prefix_len)
{
	Types__IPAddress *a = xnew(Types__IPAddress);

	types__ipaddress__init(a);
	a->family = family;
	a->address = xstrdup(address);
	a->mask = xstrdup(prefix_len);
	i->ipaddresses[i->n_ipaddresses++] = a;
}

static void describe_interface(struct net_link *link)
{
	Types__Interface *i = xnew(Types__Interface);

	types__interface__init(i);
	i->device = xstrdup(NAME);
	i->name = xstrdup(NAME);
	i->hwaddr = xstrdup(HARDWARE_ADDRESS);
	i->mtu = HV_USER_MTU;
	i->ipaddresses = xcalloc(2, sizeof(i->ipaddresses[0]));
	add_address(i, TYPES__IPFAMILY__v4, HV_USER_ADDRESS, HV_USER_PREFIX_LEN);
	if (*link->ipv6_link != '\0')
		add_address(i, TYPES__IPFAMILY__v6, HV_USER_ADDRESS_6, HV_USER_PREFIX_LEN_6);
	link->interface = i;
}

static Types__Route *describe_route(Types__IPFamily family, const char *gateway)
{
	Types__Route *r = xnew(Types__Route);

	types__route__init(r);
	r->family = family;
	r->gateway = xstrdup(gateway);
	r->device = xstrdup(NAME);
	return r;
}

int user_net_describe(const struct config *c, const char *ipv6_link, struct net_scan *ret,
		      struct err *e)
{
	auto_net_scan struct net_scan s = { .n_links = 0 };
	struct net_link *link;

	s.link = xcalloc(1, sizeof(s.link[0]));
	s.route = xcalloc(2, sizeof(s.route[0]));
	link = &s.link[s.n_links++];
	link->index = -1; /* of no link of the kernel's */
	link->user = true;
	link->mtu = HV_USER_MTU;
	(void)snprintf(link->name, sizeof(link->name), NAME);
	(void)snprintf(link->kind, sizeof(link->kind), "user");
	(void)snprintf(link->ipv6_link, sizeof(link->ipv6_link), "%s", ipv6_link);
	describe_interface(link);
	s.route[s.n_routes++] = describe_route(TYPES__IPFAMILY__v4, HV_USER_GATEWAY);
	if (*ipv6_link != '\0')
		s.route[s.n_routes++] = describe_route(TYPES__IPFAMILY__v6, HV_USER_GATEWAY_6);
	if (hardware_address_parse(HARDWARE_ADDRESS, link->hardware_address, e) < 0 ||
	    parse_ports(c, link, e) < 0)
		return -1;
	*ret = s;
	s = (struct net_scan){ .n_links = 0 };
	return 0;
}
