/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_SHIM_SANDBOX_CLEAN_UP_H
#define HUSK_SHIM_SANDBOX_CLEAN_UP_H

#include "shim/sandbox/directory.h"

/*
 * End what a crashed shim left running, take its mounts and cgroups away and empty the directory,
 * which stays, locked. Blocks, for a second at most.
 */
int clean_up_contents(struct directory *d, struct err *e) must_check;

#endif
