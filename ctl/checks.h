/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_CTL_CHECKS_H
#define HUSK_CTL_CHECKS_H

#include "common/base/mem.h"
#include "config/config.h"

/*
 * What this host can do, a line for each thing, as huskctl(1) describes them.
 *
 * root  where the host's file system starts: "" for the real one; tests have others
 *
 * Programs are started for their version, so it runs in a fiber. Returns the number of things
 * without which no container can run.
 */
unsigned checks_run(const char *root, const struct config *c, struct buf *ret);

#endif
