/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_AGENT_MODULES_H
#define HUSK_AGENT_MODULES_H

#include "common/base/cleanup.h"
#include "common/base/err.h"

/*
 * Kernel modules of the guest image. A guest without the lists has everything built in, or loads
 * modules itself.
 */

/*
 * Those for every boot (/etc/husk/modules) and for the transport ("vsock", "serial":
 * /etc/husk/modules.<transport>). In a fiber. One that does not load is logged: what needed it will
 * say so better.
 */
void modules_boot(const char *transport);

/*
 * Those that /etc/husk/modules.demand lists for `name` ("virtio_blk", "erofs", ...; guest/modules has
 * them all), before something that needs them. In a fiber; returns when they are loaded. A name that
 * is not listed is success.
 */
int modules_demand(const char *name, struct err *e) must_check;

/*
 * main() of /sbin/modprobe, a link to the agent, which the kernel runs for what a container asks it for
 * ("bridge", "rtnl-link-bridge", "fs-erofs"): loads those that are listed under that name. Returns the
 * exit status: 1 for others, which a guest has not got or a container is not to have.
 */
#define MODPROBE_PROGRAM "modprobe"
int modules_probe(const char *request);

#endif
