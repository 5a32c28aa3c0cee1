/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_SHIM_NET_HOST_IPV6_H
#define HUSK_SHIM_NET_HOST_IPV6_H

#include <net/if.h>

#include "common/base/err.h"

/*
 * Whether the namespace that the thread is in reaches others by IPv6, which is: has a default route. The
 * name of the link that passt takes for its model, one with a link-local address: the route's own, or
 * else any. "": there is no route or no such link. Blocks, see netns_run() and work_run().
 */
int host_ipv6_link(char ret[static IFNAMSIZ], struct err *e) must_check;

#endif
