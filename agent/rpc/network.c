/* SPDX-License-Identifier: Apache-2.0 */
/* The guest's network: links, routes, neighbors, packet filter rules. */
#include <string.h>

#include "agent/device/watch.h"
#include "agent/guest/command.h"
#include "agent/modules.h"
#include "agent/net/net.h"
#include "agent/rpc/handlers.h"
#include "common/async/work.h"
#include "common/base/mem.h"

#define IPTABLES_MS 20000

/* One call of agent/net on the worker pool; which fields count depends on the call. */
struct net_work {
	int (*call)(struct net_work *w);
	const Types__Interface *interface;
	const char *device;
	Types__Interface ***interfaces;
	Types__Route *const *route;
	Types__Route ***routes;
	Types__ARPNeighbor *const *neighbor;
	size_t n;
	size_t *ret_n;
	struct err *e;
	int r;
};

static int update_interface(struct net_work *w)
{
	return net_update_interface(w->interface, w->device, w->e);
}

static int list_interfaces(struct net_work *w)
{
	return net_list_interfaces(w->interfaces, w->ret_n, w->e);
}

static int update_routes(struct net_work *w)
{
	if (net_update_routes(w->route, w->n, w->e) < 0)
		return -1;
	return net_list_routes(w->routes, w->ret_n, w->e);
}

static int list_routes(struct net_work *w)
{
	return net_list_routes(w->routes, w->ret_n, w->e);
}

static int add_neighbors(struct net_work *w)
{
	return net_add_neighbors(w->neighbor, w->n, w->e);
}

static void run_now(void *arg)
{
	struct net_work *w = arg;

	w->r = w->call(w);
}

static int run(struct net_work *w, const char *what)
{
	work_run(run_now, w);
	return w->r < 0 ? err_wrap(w->e, "%s", what) : 0;
}

/* The answer is the request's interface. */
static void answer_interface(const Types__Interface *from, Types__Interface *to)
{
	size_t len = types__interface__get_packed_size(from);
	auto_free uint8_t *packed = xmalloc(len + 1);
	Types__Interface *copy;

	(void)types__interface__pack(from, packed);
	copy = types__interface__unpack(NULL, len, packed);
	if (copy)
		*to = *copy;
	free(copy);
}

HANDLER(on_update_interface)
{
	const Grpc__UpdateInterfaceRequest *update = req;
	const struct sandbox *sb = call->self;
	struct net_work w = { .call = update_interface, .interface = update->interface, .e = e };
	auto_free char *device = NULL;

	if (!update->interface)
		return err_set(e, ERR_INVALID, "empty update interface request");
	if (modules_demand("virtio_net", e) < 0)
		return -1;
	if (update->interface->devicepath[0]) {
		if (device_wait_net(sb->devices, update->interface->devicepath, call->deadline,
				    &device, e) < 0)
			return err_wrap(e, "update interface %s", update->interface->name);
		w.device = device;
	}
	if (run(&w, "update an interface") < 0)
		return -1;
	answer_interface(update->interface, resp);
	return 0;
}

HANDLER(on_list_interfaces)
{
	Grpc__Interfaces *answer = resp;
	struct net_work w = { .call = list_interfaces,
			      .interfaces = &answer->interfaces,
			      .ret_n = &answer->n_interfaces,
			      .e = e };

	(void)call;
	(void)req;
	return run(&w, "list interfaces");
}

HANDLER(on_update_routes)
{
	const Grpc__UpdateRoutesRequest *update = req;
	Grpc__Routes *answer = resp;
	struct net_work w = {
		.call = update_routes, .routes = &answer->routes, .ret_n = &answer->n_routes, .e = e
	};

	(void)call;
	if (!update->routes)
		return err_set(e, ERR_INVALID, "empty update routes request");
	w.route = update->routes->routes;
	w.n = update->routes->n_routes;
	return run(&w, "update routes");
}

HANDLER(on_list_routes)
{
	Grpc__Routes *answer = resp;
	struct net_work w = {
		.call = list_routes, .routes = &answer->routes, .ret_n = &answer->n_routes, .e = e
	};

	(void)call;
	(void)req;
	return run(&w, "list routes");
}

HANDLER(on_add_arp_neighbors)
{
	const Grpc__AddARPNeighborsRequest *add = req;
	struct net_work w = { .call = add_neighbors, .e = e };

	(void)call;
	(void)resp;
	if (!add->neighbors)
		return err_set(e, ERR_INVALID, "empty add neighbors request");
	w.neighbor = add->neighbors->arpneighbors;
	w.n = add->neighbors->n_arpneighbors;
	return run(&w, "add neighbors");
}

static int run_iptables(const char *name, const char *const *more, const ProtobufCBinaryData *input,
			struct deadline d, ProtobufCBinaryData *ret, struct err *e)
{
	auto_free char *program = command_find(name, e);
	const char *argv[4] = { program };
	const struct command run = { .argv = argv, .input = input->data, .input_len = input->len };
	char *said = NULL;

	if (!program)
		return -1;
	for (size_t i = 0; more && more[i] && i + 2 < ARRAY_LEN(argv); i++)
		argv[i + 1] = more[i];
	if (command_run(&run, deadline_min(d, deadline_in_ms(IPTABLES_MS)), &said, &ret->len, e) <
	    0)
		return -1;
	ret->data = (uint8_t *)said;
	return 0;
}

HANDLER(on_get_ip_tables)
{
	static const ProtobufCBinaryData nothing = { .len = 0, .data = NULL };
	const Grpc__GetIPTablesRequest *get = req;
	Grpc__GetIPTablesResponse *answer = resp;

	return run_iptables(get->is_ipv6 ? "ip6tables-save" : "iptables-save", NULL, &nothing,
			    call->deadline, &answer->data, e);
}

HANDLER(on_set_ip_tables)
{
	static const char *const wait[] = { "--wait", "5", NULL };
	const Grpc__SetIPTablesRequest *set = req;
	Grpc__SetIPTablesResponse *answer = resp;

	return run_iptables(set->is_ipv6 ? "ip6tables-restore" : "iptables-restore", wait,
			    &set->data, call->deadline, &answer->data, e);
}
