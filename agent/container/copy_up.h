/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_AGENT_COPY_UP_H
#define HUSK_AGENT_COPY_UP_H

#include "common/base/cleanup.h"
#include "common/base/err.h"

/*
 * Copy what is in directory `from` into directory `to`, with owners, modes, times of change and
 * symlinks as they are; device nodes, sockets and fifos are left out. Both are descriptors, O_PATH
 * will do. Symlinks are never followed. At most 64 levels and 100,000 entries.
 */
int copy_up(int from, int to, struct err *e) must_check;

#endif
