/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_AGENT_HUGEPAGES_H
#define HUSK_AGENT_HUGEPAGES_H

#include <stddef.h>

#include "common/base/cleanup.h"
#include "common/base/err.h"

/*
 * Have the kernel set aside the huge pages that a hugetlbfs volume with these options needs:
 * "pagesize=<bytes>" and "size=<bytes>". ERR_EXHAUSTED: the guest has less memory than that in one
 * piece. `sys` is /sys, or a test's.
 */
int hugepages_reserve(const char *sys, char *const *option, size_t n, struct err *e) must_check;

#endif
