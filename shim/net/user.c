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

_Static_assert(sizeof(((struct hv_port *)0)->address) >= INET_ADDRSTRLEN, "an address has room");

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

int user_net_parse_port(const char *text, struct hv_port *ret, struct err *e)
{
	auto_free char *copy = xstrdup(text);
	struct hv_port p = { .address = EVERY_ADDRESS };
	struct in_addr address;
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
		if (inet_pton(AF_INET, copy, &address) != 1)
			return wrong(text, "its address is none of IPv4", e);
		(void)snprintf(p.address, sizeof(p.address), "%s", copy);
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
	for (size_t i = 0; i < n; i++)
		if (user_net_parse_port(list[i], &link->ports[link->n_ports++], e) < 0)
			return -1;
	return 0;
}

/* ---- What the guest is told ---- */

static void describe_interface(struct net_link *link)
{
	Types__Interface *i = xnew(Types__Interface);
	Types__IPAddress *a = xnew(Types__IPAddress);

	types__ipaddress__init(a);
	a->family = TYPES__IPFAMILY__v4;
	a->address = xstrdup(HV_USER_ADDRESS);
	a->mask = xstrdup(HV_USER_PREFIX_LEN);
	types__interface__init(i);
	i->device = xstrdup(NAME);
	i->name = xstrdup(NAME);
	i->hwaddr = xstrdup(HARDWARE_ADDRESS);
	i->mtu = HV_USER_MTU;
	i->ipaddresses = xcalloc(1, sizeof(i->ipaddresses[0]));
	i->ipaddresses[i->n_ipaddresses++] = a;
	link->interface = i;
}

static Types__Route *describe_route(void)
{
	Types__Route *r = xnew(Types__Route);

	types__route__init(r);
	r->family = TYPES__IPFAMILY__v4;
	r->gateway = xstrdup(HV_USER_GATEWAY);
	r->device = xstrdup(NAME);
	return r;
}

int user_net_describe(const struct config *c, struct net_scan *ret, struct err *e)
{
	auto_net_scan struct net_scan s = { .n_links = 0 };
	struct net_link *link;

	s.link = xcalloc(1, sizeof(s.link[0]));
	s.route = xcalloc(1, sizeof(s.route[0]));
	link = &s.link[s.n_links++];
	link->index = -1; /* of no link of the kernel's */
	link->user = true;
	link->mtu = HV_USER_MTU;
	(void)snprintf(link->name, sizeof(link->name), NAME);
	(void)snprintf(link->kind, sizeof(link->kind), "user");
	describe_interface(link);
	s.route[s.n_routes++] = describe_route();
	if (hardware_address_parse(HARDWARE_ADDRESS, link->hardware_address, e) < 0 ||
	    parse_ports(c, link, e) < 0)
		return -1;
	*ret = s;
	s = (struct net_scan){ .n_links = 0 };
	return 0;
}
