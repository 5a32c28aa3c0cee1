/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_AGENT_GUEST_COMMAND_H
#define HUSK_AGENT_GUEST_COMMAND_H

#include <stddef.h>

#include "common/async/deadline.h"
#include "common/base/cleanup.h"
#include "common/base/err.h"

/* Programs of the guest that the agent runs for itself: iptables, modprobe, resize2fs. */

#define COMMAND_OUTPUT_MAX \
	(4u << 20) /* bytes taken of each stream; the wire has no room for more */

/* Where it is, of /usr/sbin and /sbin; for free(). NULL with ERR_NOT_FOUND, which names it. */
char *command_find(const char *name, struct err *e) must_check;

/*
 * Run argv[0], an absolute path, with `input` on its standard input, until it ends. *ret (may be NULL):
 * its standard output, NUL-terminated, for free(). An exit code other than 0 is ERR_INTERNAL with what
 * it said; after the deadline it is killed. In a fiber.
 */
int command_run(const char *const *argv, const void *input, size_t len, struct deadline d,
		char **ret, size_t *ret_len, struct err *e) must_check;

#endif
