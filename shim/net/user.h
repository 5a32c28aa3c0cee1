/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_SHIM_NET_USER_H
#define HUSK_SHIM_NET_USER_H

#include "config/config.h"
#include "shim/net/scan.h"

/*
 * A network without a link (internetworking_model "user"): what the guest sends becomes connections of a
 * process on the host, which has the namespace that the shim is in. For containers that nobody has given
 * a network.
 */

/*
 * Its one link, as if it had been read, with runtime.published_ports: ERR_INVALID names a wrong one.
 * `ipv6_link` as of host_ipv6_link(): without one the guest has IPv4 alone, and a port of IPv6 is wrong.
 */
int user_net_describe(const struct config *c, const char *ipv6_link, struct net_scan *ret,
		      struct err *e) must_check;

/*
 * "[ADDRESS:]PORT:GUEST_PORT[/tcp|/udp]", of IPv6 in brackets; without an address: all of the host's of
 * IPv4.
 */
int user_net_parse_port(const char *text, struct hv_port *ret, struct err *e) must_check;

#endif
