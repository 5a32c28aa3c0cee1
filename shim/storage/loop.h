/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_SHIM_STORAGE_LOOP_H
#define HUSK_SHIM_STORAGE_LOOP_H

#include <stdbool.h>

#include "common/base/cleanup.h"
#include "common/base/err.h"

#define LOOP_PATH_MAX 32 /* room for "/dev/loop<int>" */

/*
 * Put a regular file behind a free loop device; its path goes to ret_path. The device frees itself
 * when the returned descriptor is closed and nothing has it mounted any more: mount it, then close.
 */
int loop_attach(const char *file, bool read_only, char ret_path[static LOOP_PATH_MAX],
		struct err *e) must_check;

#endif
