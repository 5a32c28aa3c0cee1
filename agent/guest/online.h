/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_AGENT_ONLINE_H
#define HUSK_AGENT_ONLINE_H

#include <stdint.h>

#include "common/async/deadline.h"
#include "common/base/cleanup.h"
#include "common/base/err.h"

/* Taking processors and memory into use that the host has plugged in. In fibers. */

/* Until `wanted` processors are online altogether; ERR_TIMEOUT says how many are. */
int online_cpus(uint32_t wanted, struct deadline d, struct err *e) must_check;

/* Every memory block that is there. A kernel without hot-plug has none: success. */
int online_memory(struct err *e) must_check;

#endif
