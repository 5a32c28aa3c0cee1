/* SPDX-License-Identifier: Apache-2.0 */
/* Networks that a file describes; see dan.h. */
#include "shim/net/dan.h"

#include <fcntl.h>
#include <linux/neighbour.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/json/json.h"
#include "shim/net/tap.h"

#define FILE_MAX  (256u << 10) /* bytes */
#define MTU_MIN   68u          /* RFC 791 */
#define MTU_MAX   65535u
#define LINKS_MAX 64u

struct route {
	char *dest, *gateway, *source;
	uint32_t scope, mtu;
};

struct neighbor {
	char *address, *hardware_address;
	uint32_t state, flags;
};

struct device {
	char *name, *guest_mac;
	char *type, *tap_name, *path;
	uint32_t queue_num, queue_size;
	char **addresses;
	uint32_t mtu, flags;
	struct route *route;
	size_t n_routes;
	struct neighbor *neighbor;
	size_t n_neighbors;
};

struct file {
	char *netns;
	struct device *device;
	size_t n_devices;
};

#define FIELD(key_, kind_, type, member)                                         \
	{                                                                        \
		.key = (key_), .kind = (kind_), .offset = offsetof(type, member) \
	}
#define END                 \
	{                   \
		.key = NULL \
	}

static const struct json_field route_fields[] = {
	FIELD("dest", JSON_STRING, struct route, dest),
	FIELD("gateway", JSON_STRING, struct route, gateway),
	FIELD("source", JSON_STRING, struct route, source),
	FIELD("scope", JSON_U32, struct route, scope),
	FIELD("mtu", JSON_U32, struct route, mtu),
	END,
};

static const struct json_field neighbor_fields[] = {
	{ "ip_address", JSON_STRING, offsetof(struct neighbor, address), .flags = JSON_REQUIRED },
	FIELD("hardware_addr", JSON_STRING, struct neighbor, hardware_address),
	FIELD("state", JSON_U32, struct neighbor, state),
	FIELD("flags", JSON_U32, struct neighbor, flags),
	END,
};

static const struct json_field attachment_fields[] = {
	{ "type", JSON_STRING, offsetof(struct device, type), .flags = JSON_REQUIRED },
	FIELD("tap_name", JSON_STRING, struct device, tap_name),
	FIELD("path", JSON_STRING, struct device, path),
	FIELD("queue_num", JSON_U32, struct device, queue_num),
	FIELD("queue_size", JSON_U32, struct device, queue_size),
	END,
};

static const struct json_field interface_fields[] = {
	FIELD("ip_addresses", JSON_STRINGS, struct device, addresses),
	FIELD("mtu", JSON_U32, struct device, mtu),
	FIELD("flags", JSON_U32, struct device, flags),
	END,
};

/* Objects inside of a device whose members are the device's: all offsets count from there. */
static const struct json_field info_fields[] = {
	{ "interface", JSON_OBJECT, 0, .flags = JSON_REQUIRED, .fields = interface_fields },
	{ "routes", JSON_OBJECTS, offsetof(struct device, route), .fields = route_fields,
	  .size = sizeof(struct route), .count = offsetof(struct device, n_routes) },
	{ "neighbors", JSON_OBJECTS, offsetof(struct device, neighbor), .fields = neighbor_fields,
	  .size = sizeof(struct neighbor), .count = offsetof(struct device, n_neighbors) },
	END,
};

static const struct json_field device_fields[] = {
	{ "name", JSON_STRING, offsetof(struct device, name), .flags = JSON_REQUIRED },
	{ "guest_mac", JSON_STRING, offsetof(struct device, guest_mac), .flags = JSON_REQUIRED },
	{ "device", JSON_OBJECT, 0, .flags = JSON_REQUIRED, .fields = attachment_fields },
	{ "network_info", JSON_OBJECT, 0, .flags = JSON_REQUIRED, .fields = info_fields },
	END,
};

static const struct json_field file_fields[] = {
	FIELD("netns", JSON_STRING, struct file, netns),
	{ "devices", JSON_OBJECTS, offsetof(struct file, device), .flags = JSON_REQUIRED,
	  .fields = device_fields, .size = sizeof(struct device),
	  .count = offsetof(struct file, n_devices) },
	END,
};

static Types__IPFamily family_word(int family)
{
	return family == AF_INET6 ? TYPES__IPFAMILY__v6 : TYPES__IPFAMILY__v4;
}

static bool is_set(const char *text)
{
	return text && *text != '\0';
}

/* ---- To what the guest is told ---- */

/* A tap by its name, or a socket by its path. */
static int check_attachment(const struct device *d, struct err *e)
{
	if (strcmp(d->type, "vhost-user") == 0) {
		if (!d->path || *d->path != '/')
			return err_set(e, ERR_INVALID, "its path is not absolute");
		return 0;
	}
	if (strcmp(d->type, "host-tap") != 0)
		return err_set(e, ERR_UNSUPPORTED,
			       "type '%.60s': only \"host-tap\" and \"vhost-user\" are supported",
			       d->type);
	if (!d->tap_name)
		return err_set(e, ERR_INVALID, "it has no tap_name");
	return interface_name_check(d->tap_name, e);
}

static int check_device(const struct device *d, struct net_link *link, struct err *e)
{
	if (interface_name_check(d->name, e) < 0 ||
	    hardware_address_parse(d->guest_mac, link->hardware_address, e) < 0)
		return -1;
	if (check_attachment(d, e) < 0)
		return -1;
	if (d->queue_num > TAP_QUEUES_MAX)
		return err_set(e, ERR_INVALID, "queue_num %u: the limit is %u", d->queue_num,
			       TAP_QUEUES_MAX);
	if (d->mtu != 0 && (d->mtu < MTU_MIN || d->mtu > MTU_MAX))
		return err_set(e, ERR_INVALID, "an MTU of %u bytes", d->mtu);
	return 0;
}

static int add_address(Types__Interface *i, const char *text, struct err *e)
{
	Types__IPAddress *a;
	struct ip_prefix p;

	if (ip_prefix_parse(text, &p, e) < 0)
		return -1;
	a = xnew(Types__IPAddress);
	types__ipaddress__init(a);
	a->family = family_word(p.family);
	a->address = xstrndup(text, strcspn(text, "/"));
	a->mask = xasprintf("%u", p.len);
	i->ipaddresses[i->n_ipaddresses++] = a;
	return 0;
}

static int add_link(const struct device *d, struct net_scan *s, struct err *e)
{
	struct net_link *link = &s->link[s->n_links++];
	size_t n = strv_len((const char *const *)d->addresses);
	Types__Interface *i = xnew(Types__Interface);

	types__interface__init(i);
	link->interface = i;
	if (check_device(d, link, e) < 0)
		return -1;
	link->index = -(int)s->n_links; /* of no link of the kernel's */
	(void)snprintf(link->name, sizeof(link->name), "%s", d->name);
	if (strcmp(d->type, "vhost-user") == 0)
		link->vhost_user = xstrdup(d->path);
	else
		(void)snprintf(link->tap, sizeof(link->tap), "%s", d->tap_name);
	(void)snprintf(link->kind, sizeof(link->kind), "%s", link->vhost_user ? d->type : "tun");
	link->queues = d->queue_num;
	link->mtu = d->mtu;
	i->device = xstrdup(d->name);
	i->name = xstrdup(d->name);
	i->hwaddr = xstrdup(d->guest_mac);
	i->mtu = d->mtu;
	i->raw_flags = d->flags;
	i->ipaddresses = xcalloc(n + 1, sizeof(i->ipaddresses[0]));
	for (size_t k = 0; k < n; k++)
		if (add_address(i, d->addresses[k], e) < 0)
			return -1;
	return 0;
}

static int add_route(const struct device *d, const struct route *r, struct net_scan *s,
		     struct err *e)
{
	struct ip_prefix dest = { .family = AF_UNSPEC }, gateway = { .family = AF_UNSPEC };
	Types__Route *to = xnew(Types__Route);

	types__route__init(to);
	s->route[s->n_routes++] = to;
	if (is_set(r->dest) && ip_prefix_parse(r->dest, &dest, e) < 0)
		return -1;
	if (is_set(r->gateway) && ip_prefix_parse(r->gateway, &gateway, e) < 0)
		return -1;
	if (!is_set(r->dest) && !is_set(r->gateway))
		return err_set(e, ERR_INVALID, "a route without dest and gateway");
	to->family = family_word(is_set(r->dest) ? dest.family : gateway.family);
	to->device = xstrdup(d->name);
	if (is_set(r->dest) && dest.len > 0)
		to->dest = xstrdup(r->dest);
	if (is_set(r->gateway))
		to->gateway = xstrdup(r->gateway);
	if (is_set(r->source))
		to->source = xstrdup(r->source);
	to->scope = r->scope;
	to->mtu = r->mtu;
	return 0;
}

static int add_neighbor(const struct device *d, const struct neighbor *n, struct net_scan *s,
			struct err *e)
{
	Types__ARPNeighbor *to = xnew(Types__ARPNeighbor);
	uint8_t bytes[HARDWARE_ADDRESS_LEN];
	struct ip_prefix p;

	types__arpneighbor__init(to);
	s->neighbor[s->n_neighbors++] = to;
	if (ip_prefix_parse(n->address, &p, e) < 0)
		return -1;
	if (is_set(n->hardware_address) &&
	    hardware_address_parse(n->hardware_address, bytes, e) < 0)
		return -1;
	to->toipaddress = xnew(Types__IPAddress);
	types__ipaddress__init(to->toipaddress);
	to->toipaddress->family = family_word(p.family);
	to->toipaddress->address = xstrndup(n->address, strcspn(n->address, "/"));
	to->device = xstrdup(d->name);
	if (is_set(n->hardware_address))
		to->lladdr = xstrdup(n->hardware_address);
	to->state = n->state ? (int32_t)n->state : NUD_PERMANENT;
	to->flags = (int32_t)n->flags;
	return 0;
}

static int add_device(const struct device *d, struct net_scan *s, struct err *e)
{
	if (add_link(d, s, e) < 0)
		return -1;
	for (size_t i = 0; i < d->n_routes; i++)
		if (add_route(d, &d->route[i], s, e) < 0)
			return -1;
	for (size_t i = 0; i < d->n_neighbors; i++)
		if (add_neighbor(d, &d->neighbor[i], s, e) < 0)
			return -1;
	return 0;
}

static int describe(const struct file *f, struct net_scan *s, struct err *e)
{
	size_t n_routes = 0, n_neighbors = 0;

	if (f->n_devices > LINKS_MAX)
		return err_set(e, ERR_EXHAUSTED, "more than %u devices", LINKS_MAX);
	for (size_t i = 0; i < f->n_devices; i++) {
		n_routes += f->device[i].n_routes;
		n_neighbors += f->device[i].n_neighbors;
	}
	s->link = xcalloc(f->n_devices + 1, sizeof(s->link[0]));
	s->route = xcalloc(n_routes + 1, sizeof(s->route[0]));
	s->neighbor = xcalloc(n_neighbors + 1, sizeof(s->neighbor[0]));
	for (size_t i = 0; i < f->n_devices; i++)
		if (add_device(&f->device[i], s, e) < 0)
			return err_wrap(e, "device '%.20s'", f->device[i].name);
	return 0;
}

static int read_file(const char *text, size_t len, struct dan *ret, struct err *e)
{
	auto_json struct json *v = NULL;
	struct file f = { .netns = NULL };
	int r;

	if (json_parse(text, len, &v, e) < 0 || json_read(v, "", file_fields, &f, e) < 0)
		return -1;
	r = describe(&f, &ret->scan, e);
	if (r == 0 && is_set(f.netns))
		ret->netns = take_ptr(f.netns);
	json_release(file_fields, &f);
	return r;
}

int dan_load(const char *dan_conf, const char *sandbox_id, struct dan *ret, struct err *e)
{
	auto_free char *path = xasprintf("%s/%s.json", dan_conf, sandbox_id);
	struct dan d = { .netns = NULL };
	auto_free char *text = NULL;
	struct err why = ERR_INIT;
	size_t len;

	if (file_read(AT_FDCWD, path, FILE_MAX, &text, &len, &why) < 0) {
		if (why.code == ERR_NOT_FOUND)
			return 0;
		*e = why;
		return -1;
	}
	if (read_file(text, len, &d, e) < 0) {
		dan_done(&d);
		return err_wrap(e, "'%s'", path);
	}
	*ret = d;
	return 1;
}

void dan_done(struct dan *d)
{
	free(d->netns);
	net_scan_done(&d->scan);
	*d = (struct dan){ .netns = NULL };
}
