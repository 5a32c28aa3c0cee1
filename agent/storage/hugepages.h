/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_AGENT_HUGEPAGES_H
#define HUSK_AGENT_HUGEPAGES_H

#include <stddef.h>

#include "common/base/cleanup.h"
#include "common/base/err.h"
#include "common/base/undo.h"

/*
 * Have the kernel set aside the huge pages that a hugetlbfs volume with these options needs:
 * "pagesize=<bytes>" and "size=<bytes>", besides those that it has set aside already. *u gets the
 * opposite. Waits for a worker. ERR_EXHAUSTED: the guest has less memory than that in pieces of that
 * size. `sys` is /sys, or a test's.
 */
int hugepages_reserve(const char *sys, char *const *option, size_t n, struct undo *u, struct err *e)
	must_check;

#endif
