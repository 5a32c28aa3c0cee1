/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_SHIM_NET_DAN_H
#define HUSK_SHIM_NET_DAN_H

#include "shim/net/scan.h"

/*
 * Directly attached networks, as Kata calls them: <dan_conf>/<sandbox id>.json names taps that
 * somebody else has made and wired, and what the guest is to have of each. The pod's namespace does
 * not count then. Instead of a tap it may be the socket of a process, a switch say, that has the other
 * end: "device": {"type": "vhost-user", "path": "/run/switch/port7", "queue_num": 1}.
 *
 *	{"netns": "/run/netns/x", "devices": [{
 *		"name": "eth0", "guest_mac": "02:00:00:00:00:01",
 *		"device": {"type": "host-tap", "tap_name": "tap0", "queue_num": 1},
 *		"network_info": {
 *			"interface": {"ip_addresses": ["192.0.2.2/24"], "mtu": 1500, "flags": 0},
 *			"routes": [{"dest": "", "gateway": "192.0.2.1", "source": "", "scope": 0}],
 *			"neighbors": [{"ip_address": "192.0.2.9", "hardware_addr": "02:…", "state": 0}]
 *		}}]}
 */
struct dan {
	char *netns;          /* where the taps are; NULL: in ours */
	struct net_scan scan; /* as if it had been read; each link has a `tap` or a `vhost_user` */
};

/* 1, or 0 if the sandbox has no such file. What is in it is checked. */
int dan_load(const char *dan_conf, const char *sandbox_id, struct dan *ret, struct err *e)
	must_check;
void dan_done(struct dan *d);

#endif
