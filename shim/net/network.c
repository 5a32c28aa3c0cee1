/* SPDX-License-Identifier: Apache-2.0 */
/* The network of a sandbox, from its namespace to the guest's interfaces; see network.h. */
#include "shim/net/network.h"

#include <linux/rtnetlink.h>
#include <netlink/route/link.h>
#include <string.h>

#include "common/async/work.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/net/netlink.h"
#include "shim/net/dan.h"
#include "shim/net/endpoint.h"
#include "shim/net/forward.h"
#include "shim/net/host_ipv6.h"
#include "shim/net/netns.h"
#include "shim/net/record.h"
#include "shim/net/user.h"

struct network {
	const struct config *config;
	const char *dir;  /* of the sandbox */
	char *netns_path; /* NULL: one of our own */
	int netns_fd;     /* -1: none */
	bool described;   /* by a file of dan_conf or as "user", not by what the namespace has */
	int taps_fd;      /* the namespace of its taps; -1: ours */

	struct net_endpoint *endpoint[HV_NICS_MAX];
	size_t n_endpoints;
	struct net_scan scan; /* the last one, for its routes and neighbours */
};

int network_netns_fd(const struct network *n)
{
	return n->netns_fd;
}

static bool is_off(const struct network *n)
{
	return n->described || n->netns_fd < 0 ||
	       strcmp(n->config->runtime.internetworking_model, "none") == 0;
}

static bool is_user_mode(const struct network *n)
{
	return strcmp(n->config->runtime.internetworking_model, "user") == 0;
}

/* ---- The namespace ---- */

static int open_netns(struct network *n, const struct oci_spec *spec, struct err *e)
{
	const struct oci_namespace *ns = oci_find_namespace(spec, "network");

	if (!ns && is_user_mode(n))
		return 0;
	if (!ns) {
		log_warn("the spec asks for the host's network, which a VM cannot have: "
			 "the guest has none");
		return 0;
	}
	if (!ns->path || !*ns->path)
		return netns_create(&n->netns_fd, e);
	if (netns_open(ns->path, &n->netns_fd, e) < 0)
		return -1;
	n->netns_path = xstrdup(ns->path);
	return 0;
}

static int take_back_in_netns(void *arg, struct err *e)
{
	struct network *n = arg;
	struct err first = ERR_INIT;

	for (size_t i = 0; i < n->n_endpoints; i++) {
		struct err one = ERR_INIT;

		if (net_endpoint_take_back(n->endpoint[i], &one) < 0 && first.code == ERR_NONE)
			first = one;
	}
	if (first.code == ERR_NONE)
		return 0;
	*e = first;
	return -1;
}

static void undo_network(void *arg)
{
	struct network *n = arg;
	struct err e = ERR_INIT;

	/* A namespace without a name ends with this descriptor and the VM. */
	if (n->netns_path && n->n_endpoints > 0 &&
	    netns_run(n->netns_fd, take_back_in_netns, n, &e) < 0)
		log_warn("network of the sandbox: %s", e.text);
	for (size_t i = 0; i < n->n_endpoints; i++)
		net_endpoint_free(n->endpoint[i]);
	net_scan_done(&n->scan);
	close_slot(&n->netns_fd);
	close_slot(&n->taps_fd);
	free(n->netns_path);
	free(n);
}

/* ---- Endpoints ---- */

static int scan_in_netns(void *arg, struct err *e)
{
	struct network *n = arg;

	net_scan_done(&n->scan);
	return net_scan(&n->scan, e);
}

static bool has_endpoint(const struct network *n, const struct net_link *link)
{
	for (size_t i = 0; i < n->n_endpoints; i++)
		if (n->endpoint[i]->link.index == link->index)
			return true;
	return false;
}

static bool has_new_link(const struct network *n)
{
	for (size_t i = 0; i < n->scan.n_links; i++)
		if (!has_endpoint(n, &n->scan.link[i]))
			return true;
	return false;
}

static int make_in_netns(void *arg, struct err *e)
{
	struct network *n = arg;

	for (size_t i = 0; i < n->scan.n_links; i++) {
		struct net_link *link = &n->scan.link[i];

		if (has_endpoint(n, link))
			continue;
		if (n->n_endpoints == HV_NICS_MAX)
			return err_set(e, ERR_EXHAUSTED,
				       "more than %d links in the network namespace", HV_NICS_MAX);
		if (net_endpoint_make(link, n->config, &n->endpoint[n->n_endpoints], e) < 0)
			return -1;
		n->n_endpoints++;
	}
	return 0;
}

static int write_record(const struct network *n, struct err *e)
{
	auto_strv char **links = NULL;
	struct net_record r = { .netns = n->netns_path };

	if (!n->netns_path)
		return 0;
	for (size_t i = 0; i < n->scan.n_links; i++)
		strv_add(&links, n->scan.link[i].name);
	r.links = links;
	return net_record_write(n->dir, &r, e);
}

/* Endpoints for what has none. After a failure those that were made are there. */
static int make_endpoints(struct network *n, struct err *e)
{
	size_t had = n->n_endpoints;

	if (netns_run(n->netns_fd, scan_in_netns, n, e) < 0)
		return err_wrap(e, "scan the network namespace");
	if (!has_new_link(n))
		return 0;
	if (write_record(n, e) < 0)
		return -1;
	if (netns_run(n->netns_fd, make_in_netns, n, e) < 0)
		return -1;
	for (size_t i = had; i < n->n_endpoints; i++)
		log_info("network: link '%s' (%s) goes to the guest, %zu queues%s",
			 n->endpoint[i]->link.name,
			 *n->endpoint[i]->link.kind ? n->endpoint[i]->link.kind : "hardware",
			 n->endpoint[i]->n_queues, n->endpoint[i]->vhost ? ", vhost-net" : "");
	return 0;
}

/* ---- Networks that are described ---- */

struct here {
	struct network *n;
	struct err *e;
	int result;
};

static void make_here(void *arg)
{
	struct here *h = arg;

	h->result = make_in_netns(h->n, h->e);
}

/* Takes the scan over; `netns` has its taps, NULL: ours has. */
static int make_described(struct network *n, struct net_scan *scan, const char *netns,
			  struct err *e)
{
	struct here h = { .n = n, .e = e };

	n->described = true;
	n->scan = *scan;
	*scan = (struct net_scan){ .n_links = 0 };
	if (netns && netns_open(netns, &n->taps_fd, e) < 0)
		return -1;
	if (n->taps_fd >= 0)
		return netns_run(n->taps_fd, make_in_netns, n, e);
	work_run(make_here, &h);
	return h.result;
}

struct ipv6_search {
	char link[IFNAMSIZ];
	struct err *e;
	int result;
};

static void search_ipv6(void *arg)
{
	struct ipv6_search *s = arg;

	s->result = host_ipv6_link(s->link, s->e);
}

static int start_user_mode(struct network *n, struct err *e)
{
	struct ipv6_search search = { .e = e };
	struct net_scan scan;

	work_run(search_ipv6, &search);
	if (search.result < 0)
		return err_wrap(e, "look for the host's IPv6");
	if (user_net_describe(n->config, search.link, &scan, e) < 0)
		return -1;
	log_info("user-mode network: %s",
		 *search.link ? "IPv4 and IPv6" : "IPv4 alone, as the host has no IPv6");
	return make_described(n, &scan, NULL, e);
}

/* 1 if a file says what the network is. */
static int start_described(struct network *n, const char *sandbox_id, struct err *e)
{
	const char *dir = n->config->runtime.dan_conf;
	struct dan d = { .netns = NULL };
	int found = *dir ? dan_load(dir, sandbox_id, &d, e) : 0;

	if (found <= 0)
		return found;
	if (make_described(n, &d.scan, d.netns, e) < 0)
		found = -1;
	else
		log_info("network: %zu links of '%s/%s.json'", n->n_endpoints, dir, sandbox_id);
	dan_done(&d);
	return found;
}

static int find_network(struct network *n, const struct oci_spec *spec, const char *sandbox_id,
			struct err *e)
{
	int described = start_described(n, sandbox_id, e);

	if (described != 0)
		return described < 0 ? -1 : 0;
	if (open_netns(n, spec, e) < 0)
		return -1;
	if (is_user_mode(n))
		return start_user_mode(n, e);
	return is_off(n) ? 0 : make_endpoints(n, e);
}

int network_start(const struct config *c, const struct oci_spec *spec, const char *sandbox_id,
		  const char *dir, struct undo *u, struct network **ret, struct err *e)
{
	struct network *n = xnew(struct network);

	n->config = c;
	n->dir = dir;
	n->netns_fd = n->taps_fd = -1;
	undo_push(u, "network", undo_network, n);
	if (find_network(n, spec, sandbox_id, e) < 0)
		return err_wrap(e, "network of the sandbox");
	*ret = n;
	return 0;
}

size_t network_nics(const struct network *n, struct hv_nic ret[static HV_NICS_MAX])
{
	for (size_t i = 0; i < n->n_endpoints; i++)
		ret[i] = n->endpoint[i]->hv_nic;
	return n->n_endpoints;
}

void network_handed_over(struct network *n)
{
	for (size_t i = 0; i < n->n_endpoints; i++)
		net_endpoint_close(n->endpoint[i]);
}

/* ---- The guest's side ---- */

static bool is_new(const struct network *n, size_t first, const char *device)
{
	for (size_t i = first; i < n->n_endpoints; i++)
		if (strcmp(n->endpoint[i]->link.name, device) == 0)
			return true;
	return false;
}

static int tell_interface(struct net_endpoint *ep, const char *address, struct agent *a,
			  struct deadline d, struct err *e)
{
	Types__Interface *i = ep->link.interface;
	char *unset = i->devicepath;
	int r;

	i->devicepath = message_text(address);
	r = agent_update_interface(a, i, d, e);
	i->devicepath = unset;
	if (r < 0)
		return err_wrap(e, "interface '%s'", ep->link.name);
	ep->told = true;
	return 0;
}

static int tell_routes(const struct network *n, size_t first, struct agent *a, struct deadline d,
		       struct err *e)
{
	auto_free Types__Route **some = xcalloc(n->scan.n_routes + 1, sizeof(Types__Route *));
	size_t count = 0;

	for (size_t i = 0; i < n->scan.n_routes; i++)
		if (is_new(n, first, n->scan.route[i]->device))
			some[count++] = n->scan.route[i];
	return count > 0 ? agent_update_routes(a, some, count, d, e) : 0;
}

static int tell_neighbors(const struct network *n, size_t first, struct agent *a, struct deadline d,
			  struct err *e)
{
	auto_free Types__ARPNeighbor **some =
		xcalloc(n->scan.n_neighbors + 1, sizeof(Types__ARPNeighbor *));
	size_t count = 0;

	for (size_t i = 0; i < n->scan.n_neighbors; i++)
		if (is_new(n, first, n->scan.neighbor[i]->device))
			some[count++] = n->scan.neighbor[i];
	return count > 0 ? agent_add_neighbors(a, some, count, d, e) : 0;
}

int network_tell_guest(struct network *n, const struct hv *hv, struct agent *a, struct deadline d,
		       struct err *e)
{
	for (size_t i = 0; i < n->n_endpoints; i++)
		if (tell_interface(n->endpoint[i], hv_nic_address(hv, i), a, d, e) < 0)
			return err_wrap(e, "network of the guest");
	if (tell_routes(n, 0, a, d, e) < 0 || tell_neighbors(n, 0, a, d, e) < 0)
		return err_wrap(e, "network of the guest");
	return 0;
}

void network_forward(struct network *n, struct agent *a, struct undo *u)
{
	struct err e = ERR_INIT;

	if (!n->netns_path)
		return;
	if (!agent_has_feature(a, AGENT_FEATURE_FORWARD))
		log_info("no port-forward to localhost of the guest: its agent cannot do that");
	else if (forward_start(n->netns_fd, a, u, &e) < 0)
		log_warn("no port-forward to localhost of the guest: %s", e.text);
}

/* ---- Links that come later ---- */

struct withdrawal {
	struct net_endpoint *endpoint;
};

static int withdraw_in_netns(void *arg, struct err *e)
{
	const struct withdrawal *w = arg;

	return net_endpoint_take_back(w->endpoint, e);
}

/* The newest endpoints, down to the first so many. */
static void withdraw(struct network *n, struct hv *hv, size_t keep, struct deadline d)
{
	while (n->n_endpoints > keep) {
		struct withdrawal w = { .endpoint = n->endpoint[--n->n_endpoints] };
		struct err e = ERR_INIT;

		if (w.endpoint->nic && hv_unplug(hv, w.endpoint->nic, d, &e) < 0)
			log_warn("%s", e.text);
		e = ERR_INIT;
		if (netns_run(n->netns_fd, withdraw_in_netns, &w, &e) < 0)
			log_warn("%s", e.text);
		net_endpoint_free(w.endpoint);
	}
}

static int plug(struct net_endpoint *ep, struct hv *hv, struct agent *a, struct deadline d,
		struct err *e)
{
	if (hv_plug_nic(hv, &ep->hv_nic, ep->link.name, d, &ep->nic, e) < 0)
		return -1;
	net_endpoint_close(ep);
	return tell_interface(ep, hv_device_address(ep->nic), a, d, e);
}

int network_update(struct network *n, struct hv *hv, struct agent *a, struct deadline d,
		   struct err *e)
{
	size_t had = n->n_endpoints;
	int r;

	if (is_off(n))
		return 0;
	r = make_endpoints(n, e);
	for (size_t i = had; r == 0 && i < n->n_endpoints; i++)
		r = plug(n->endpoint[i], hv, a, d, e);
	if (r == 0 && n->n_endpoints > had)
		r = tell_routes(n, had, a, d, e);
	if (r == 0 && n->n_endpoints > had)
		r = tell_neighbors(n, had, a, d, e);
	if (r < 0) {
		withdraw(n, hv, had, d);
		return err_wrap(e, "network of the sandbox");
	}
	return 0;
}

/* ---- After a crash ---- */

static int clean_up_links(void *arg, struct err *e)
{
	const struct net_record *r = arg;
	auto_nl_sock struct nl_sock *sock = netlink_open(e);
	auto_nl_cache struct nl_cache *links = sock ? netlink_links(sock, e) : NULL;

	if (!links)
		return -1;
	for (size_t i = 0; r->links && r->links[i]; i++) {
		int index = rtnl_link_name2i(links, r->links[i]);

		if (index > 0 && net_endpoint_clean_up(sock, r->links[i], index, e) < 0)
			return -1;
	}
	return 0;
}

int network_clean_up(const char *dir, struct err *e)
{
	auto_net_record struct net_record r = { .netns = NULL };
	auto_close int netns = -1;
	struct err absent = ERR_INIT;
	int found = net_record_read(dir, &r, e);

	if (found <= 0)
		return found;
	/* Removed, or its file is there with no namespace any more: nothing is left in it either. */
	if (netns_open(r.netns, &netns, &absent) < 0) {
		log_debug("%s", absent.text);
		return 0;
	}
	if (netns_run_here(netns, clean_up_links, &r, e) < 0)
		return err_wrap(e, "network namespace '%s'", r.netns);
	return 0;
}
