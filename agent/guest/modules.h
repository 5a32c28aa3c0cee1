/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_AGENT_MODULES_H
#define HUSK_AGENT_MODULES_H

#include "common/base/cleanup.h"
#include "common/base/err.h"

/*
 * Kernel modules of the initrd. guest/build-image lists them with what they need before them:
 *
 *   /etc/husk/modules              one path a line, for every boot
 *   /etc/husk/modules.<transport>  the same, for a boot that listens on vsock or serial
 *   /etc/husk/modules.demand       "name: path path...", for what asks for it
 *
 * Nothing else loads modules: there is no modprobe for the kernel to call. In fibers.
 */

/*
 * What every boot needs, and this transport ("vsock", "serial"; NULL: none), as many at a time as
 * there are workers. One that does not load is logged: what needed it will say so better.
 */
void modules_load_boot(const char *transport);

/* By name, with what it needs. Success where there is no list, or it is not in it: built in. */
int modules_load(const char *name, struct err *e) must_check;

#endif
