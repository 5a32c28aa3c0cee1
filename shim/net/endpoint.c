/* SPDX-License-Identifier: Apache-2.0 */
/* A link and what carries its frames into the guest; see endpoint.h. */
#include "shim/net/endpoint.h"

#include <fcntl.h>
#include <linux/if_link.h>
#include <netlink/route/link.h>
#include <netlink/route/link/inet6.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "common/base/mem.h"
#include "common/net/netlink.h"
#include "shim/net/macvtap.h"
#include "shim/net/redirect.h"

#define LOCALLY_ADMINISTERED 0x02 /* in the first byte of a hardware address (IEEE 802) */
#define GROUP_ADDRESS        0x01

/* The link's MTU, no address of its own (nobody here is to talk on it), up. Returns its index. */
static int set_up_tap(struct nl_sock *sock, const char *name, uint32_t mtu, struct err *e)
{
	auto_nl_link struct rtnl_link *tap = NULL;
	auto_nl_link struct rtnl_link *silent = rtnl_link_alloc();
	auto_nl_link struct rtnl_link *change = rtnl_link_alloc();
	int r = rtnl_link_get_kernel(sock, 0, name, &tap);

	if (r < 0)
		return netlink_error(e, r, "find tap '%s'", name);
	/* Before it is up: then it would have one. A kernel without IPv6 refuses, and gives none. */
	(void)rtnl_link_inet6_set_addr_gen_mode(silent, IN6_ADDR_GEN_MODE_NONE);
	(void)rtnl_link_change(sock, tap, silent, 0);
	rtnl_link_set_mtu(change, mtu);
	rtnl_link_set_flags(change, IFF_UP);
	r = rtnl_link_change(sock, tap, change, 0);
	return r < 0 ? netlink_error(e, r, "set tap '%s' up", name) : rtnl_link_get_ifindex(tap);
}

static int redirect_both(struct nl_sock *sock, struct net_endpoint *ep, int tap, struct err *e)
{
	struct err ignored = ERR_INIT;

	if (redirect(sock, tap, ep->link.index, e) < 0) /* goes with the tap */
		return -1;
	if (redirect(sock, ep->link.index, tap, e) < 0) {
		(void)!redirect_remove(sock, ep->link.index, &ignored);
		return -1;
	}
	ep->redirected = true;
	return 0;
}

/* Of what is made here for the link with that index. */
static void name_tap(char name[static IFNAMSIZ], int index)
{
	(void)snprintf(name, IFNAMSIZ, NET_TAP_PREFIX "%d", index);
}

static int make_tcfilter(struct net_endpoint *ep, const struct config *c, struct err *e)
{
	auto_nl_sock struct nl_sock *sock = netlink_open(e);
	char name[IFNAMSIZ];
	size_t n = c->hypervisor.network_queues;
	int tap;

	if (!sock)
		return -1;
	name_tap(name, ep->link.index);
	if (tap_create(name, n, ep->tap_fds, e) < 0)
		return -1;
	ep->n_queues = n;
	tap = set_up_tap(sock, name, ep->link.mtu, e);
	return tap < 0 ? -1 : redirect_both(sock, ep, tap, e);
}

/*
 * What is on top of another link already shares it with others, which this one would take it from: it
 * is for links that are the namespace's alone.
 */
static bool can_have_macvtap(const struct net_link *link)
{
	static const char *const alone[] = { "", "veth", "vlan" };

	for (size_t i = 0; i < ARRAY_LEN(alone); i++)
		if (strcmp(link->kind, alone[i]) == 0)
			return true;
	return false;
}

static int make_macvtap(struct net_endpoint *ep, const struct config *c, struct err *e)
{
	auto_nl_sock struct nl_sock *sock = netlink_open(e);
	char name[IFNAMSIZ];

	if (!sock)
		return -1;
	name_tap(name, ep->link.index);
	if (macvtap_create(sock, ep->link.index, name, e) < 0)
		return -1;
	ep->stacked = true;
	ep->n_queues = c->hypervisor.network_queues;
	return macvtap_open(name, ep->n_queues, ep->tap_fds, e);
}

static int attach(struct net_endpoint *ep, const char *tap, const struct config *c, struct err *e)
{
	size_t n = ep->link.queues ? ep->link.queues : c->hypervisor.network_queues;

	return tap_attach(tap, n, ep->tap_fds, &ep->n_queues, e);
}

/*
 * A tap in the namespace is somebody's cable to a guest: its other side is the kernel's, with the tap's
 * own hardware address, so that the guest takes another.
 */
static int make_of_tap(struct net_endpoint *ep, const struct config *c, struct err *e)
{
	uint8_t *m = ep->link.hardware_address;

	if (attach(ep, ep->link.name, c, e) < 0)
		return -1;
	if (getrandom(m, HARDWARE_ADDRESS_LEN, 0) != HARDWARE_ADDRESS_LEN)
		return err_sys(e, errno, "random hardware address");
	m[0] = (uint8_t)((m[0] & ~GROUP_ADDRESS) | LOCALLY_ADMINISTERED);
	free(ep->link.interface->hwaddr);
	ep->link.interface->hwaddr =
		xasprintf("%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
	return 0;
}

static int make_vhost_user(struct net_endpoint *ep, struct err *e)
{
	const char *path = ep->link.vhost_user;
	struct stat st;

	ep->n_queues = ep->link.queues ? ep->link.queues : 1;
	ep->socket_fd = open(path, O_PATH | O_CLOEXEC);
	if (ep->socket_fd < 0 || fstat(ep->socket_fd, &st) < 0)
		return err_sys(e, errno, "vhost-user device '%s'", path);
	if (!S_ISSOCK(st.st_mode))
		return err_set(e, ERR_INVALID, "vhost-user device '%s': it is no socket", path);
	return 0;
}

static int make_kind(struct net_endpoint *ep, const struct config *c, struct err *e)
{
	if (ep->link.vhost_user)
		return make_vhost_user(ep, e);
	if (ep->link.user) {
		ep->n_queues = 1;
		return 0;
	}
	if (*ep->link.tap)
		return attach(ep, ep->link.tap, c, e);
	if (strcmp(ep->link.kind, "tun") == 0)
		return make_of_tap(ep, c, e);
	if (strcmp(c->runtime.internetworking_model, "macvtap") == 0 && can_have_macvtap(&ep->link))
		return make_macvtap(ep, c, e);
	return make_tcfilter(ep, c, e);
}

static enum hv_nic_kind nic_kind(const struct net_link *link)
{
	if (link->user)
		return HV_NIC_USER;
	return link->vhost_user ? HV_NIC_VHOST_USER : HV_NIC_TAP;
}

static int open_vhost(struct net_endpoint *ep, const struct config *c, struct err *e)
{
	int r;

	if (c->hypervisor.disable_vhost_net || nic_kind(&ep->link) != HV_NIC_TAP)
		return 0;
	r = tap_open_vhost(ep->n_queues, ep->vhost_fds, e);
	ep->vhost = r > 0;
	return r < 0 ? -1 : 0;
}

static int make(struct net_endpoint *ep, const struct config *c, struct err *e)
{
	if (make_kind(ep, c, e) < 0 || open_vhost(ep, c, e) < 0)
		return err_wrap(e, "link '%s'", ep->link.name);
	ep->hv_nic.kind = nic_kind(&ep->link);
	memcpy(ep->hv_nic.mac, ep->link.hardware_address, sizeof(ep->hv_nic.mac));
	ep->hv_nic.n_queues = (uint32_t)ep->n_queues;
	ep->hv_nic.tap_fds = ep->tap_fds;
	ep->hv_nic.vhost_fds = ep->vhost ? ep->vhost_fds : NULL;
	ep->hv_nic.socket_fd = ep->socket_fd;
	ep->hv_nic.ports = ep->link.ports;
	ep->hv_nic.n_ports = ep->link.n_ports;
	ep->hv_nic.ipv6_link = *ep->link.ipv6_link ? ep->link.ipv6_link : NULL;
	return 0;
}

int net_endpoint_make(struct net_link *link, const struct config *c, struct net_endpoint **ret,
		      struct err *e)
{
	struct net_endpoint *ep = xnew(struct net_endpoint);
	struct err ignored = ERR_INIT;

	ep->link = *link;
	link->interface = NULL;
	link->vhost_user = NULL;
	link->ports = NULL;
	ep->socket_fd = -1;
	for (size_t i = 0; i < TAP_QUEUES_MAX; i++)
		ep->tap_fds[i] = ep->vhost_fds[i] = -1;
	if (make(ep, c, e) < 0) {
		(void)!net_endpoint_take_back(ep, &ignored);
		net_endpoint_free(ep);
		return -1;
	}
	*ret = ep;
	return 0;
}

int net_endpoint_take_back(struct net_endpoint *ep, struct err *e)
{
	auto_nl_sock struct nl_sock *sock = NULL;
	bool nothing = !ep->redirected && !ep->stacked;

	net_endpoint_close(ep);
	ep->redirected = ep->stacked = false;
	if (nothing)
		return 0;
	sock = netlink_open(e);
	return sock ? net_endpoint_clean_up(sock, ep->link.name, ep->link.index, e) : -1;
}

int net_endpoint_clean_up(struct nl_sock *sock, const char *link, int index, struct err *e)
{
	char name[IFNAMSIZ];

	name_tap(name, index);
	if (redirect_remove(sock, index, e) < 0 || macvtap_remove(sock, name, e) < 0)
		return err_wrap(e, "link '%s'", link);
	return 0;
}

void net_endpoint_close(struct net_endpoint *ep)
{
	tap_close(ep->tap_fds, TAP_QUEUES_MAX);
	tap_close(ep->vhost_fds, TAP_QUEUES_MAX);
	tap_close(&ep->socket_fd, 1);
}

void net_endpoint_free(struct net_endpoint *ep)
{
	net_endpoint_close(ep);
	net_link_done(&ep->link);
	free(ep);
}
