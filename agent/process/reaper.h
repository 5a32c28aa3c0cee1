/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_AGENT_REAPER_H
#define HUSK_AGENT_REAPER_H

#include "common/base/cleanup.h"
#include "common/base/err.h"

/*
 * Orphans. The agent, as PID 1 or as subreaper, becomes the parent of whatever a container's
 * processes leave behind, and collects those and only those: its own children have owners
 * (common/async/child.h), who must not find them gone.
 */

/* Before anything else runs: SIGCHLD is to be read, not delivered. Returns the signalfd, -1. */
int reaper_prepare(struct err *e) must_check;

/* The fiber; arg is the signalfd of reaper_prepare() as intptr_t. Returns when it is cancelled. */
void reaper_run(void *arg);

#endif
