/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_AGENT_DEVICES_H
#define HUSK_AGENT_DEVICES_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/base/cleanup.h"
#include "common/base/err.h"

/* "b", "c" or "u", "p" to the S_IFMT bits. ERR_INVALID for anything else. */
int device_type(const char *type, mode_t *ret, struct err *e) must_check;

/* Below /dev, and free of "..": ERR_INVALID otherwise. */
int device_check_path(const char *path, struct err *e) must_check;

#endif
