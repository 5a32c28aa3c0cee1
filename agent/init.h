/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_AGENT_INIT_H
#define HUSK_AGENT_INIT_H

#include <stdbool.h>

#include "common/base/cleanup.h"
#include "common/base/err.h"

/* What the agent does as PID 1 of the initrd, besides being the agent. */

/*
 * First thing of all, outside any fiber: the file systems that everything else needs, standard
 * streams on the console, environment, host name, loopback. -1: without these nothing can work.
 */
int init_mounts(struct err *e) must_check;

/* Then, as the kernel's command line wants them: the unified hierarchy, or those of version 1. */
int init_cgroups(bool unified, struct err *e) must_check;

/* Does not return. */
_Noreturn void init_power_off(void);

#endif
