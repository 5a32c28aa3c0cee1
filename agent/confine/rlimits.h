/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_AGENT_RLIMITS_H
#define HUSK_AGENT_RLIMITS_H

#include <stddef.h>

#include "common/base/cleanup.h"
#include "common/base/err.h"
#include "oci.pb-c.h"

/* "RLIMIT_NOFILE" to RLIMIT_NOFILE. ERR_INVALID for what getrlimit(2) does not list. */
int rlimit_number(const char *name, int *ret, struct err *e) must_check;

/* Set them for this process. A type given twice is ERR_INVALID (runtime-spec, config.md). */
int rlimits_apply(Grpc__POSIXRlimit *const *limit, size_t n, struct err *e) must_check;

#endif
