/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_AGENT_ONLINE_H
#define HUSK_AGENT_ONLINE_H

#include <stdint.h>

#include "common/async/deadline.h"
#include "common/base/cleanup.h"
#include "common/base/err.h"

/*
 * Taking processors and memory into use that the host has plugged in. In fibers. `sys`: "/sys", or what
 * stands for it in a test.
 */

/* Until `wanted` processors are online altogether, and no more; ERR_TIMEOUT says how many are. */
int online_cpus(const char *sys, uint32_t wanted, struct deadline d, struct err *e) must_check;

/* Every memory block that is there. A kernel without hot-plug has none: success. */
int online_memory(const char *sys, struct err *e) must_check;

#endif
