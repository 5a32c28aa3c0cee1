/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_SHIM_NET_ENDPOINT_H
#define HUSK_SHIM_NET_ENDPOINT_H

#include "config/config.h"
#include "hypervisor/device.h"
#include "shim/net/scan.h"
#include "shim/net/tap.h"

struct nl_sock;

/*
 * A link of the sandbox's namespace and the tap, or the macvtap (config: internetworking_model), that
 * brings its frames to the guest's NIC. The guest gets the link's hardware address: to everybody outside
 * it is the link.
 */
struct net_endpoint {
	struct net_link link;
	size_t n_queues;
	int tap_fds[TAP_QUEUES_MAX];
	int vhost_fds[TAP_QUEUES_MAX];
	bool vhost;
	int socket_fd;   /* of the process that a vhost-user device is of, see struct hv_nic */
	bool redirected; /* there are filters on the link */
	bool stacked;    /* there is a macvtap on the link */

	bool told;             /* the guest has its interface */
	struct hv_device *nic; /* of one that was plugged in later */
	struct hv_nic hv_nic;  /* for the hypervisor; points to the above */
};

/*
 * Both in the namespace; they block. The first takes over what *link owns. What it made goes when its
 * descriptors are closed, filters and macvtap on the link apart, which net_endpoint_take_back() removes.
 */
int net_endpoint_make(struct net_link *link, const struct config *c, struct net_endpoint **ret,
		      struct err *e) must_check;
int net_endpoint_take_back(struct net_endpoint *ep, struct err *e) must_check;

/* The same after a crash, for the link with that name and index; what is not there is fine. */
int net_endpoint_clean_up(struct nl_sock *sock, const char *link, int index, struct err *e)
	must_check;

/* The hypervisor has copies: from now on the tap lives as long as the machine. */
void net_endpoint_close(struct net_endpoint *ep);
void net_endpoint_free(struct net_endpoint *ep);

#endif
