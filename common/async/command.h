/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_ASYNC_COMMAND_H
#define HUSK_ASYNC_COMMAND_H

#include <stddef.h>

#include "common/async/child.h"
#include "common/async/deadline.h"
#include "common/base/cleanup.h"
#include "common/base/err.h"

/* Programs that are run for what they do, to their end: modprobe, iptables, hooks. */

#define COMMAND_OUTPUT_MAX \
	(4u << 20) /* bytes taken of its standard output; no answer on the wire has room for more */

struct command {
	const char *path;        /* absolute: what is executed; NULL: argv[0] */
	const char *const *argv; /* NULL-terminated */
	const char *const *envp; /* NULL: ours */
	const char *cwd;         /* NULL: ours */
	const void *input;       /* its standard input; NULL: none */
	size_t input_len;
	const struct child_fd *fds; /* more for it, at numbers above 2 */
	size_t n_fds;
	int (*before_exec)(void *arg,
			   const char **ret_step); /* as in child.h, without an argument */
};

/*
 * Run it until it ends. *ret (may be NULL): its standard output, NUL-terminated, for free(); more than
 * COMMAND_OUTPUT_MAX is ERR_EXHAUSTED. An exit code other than 0 is ERR_INTERNAL with the beginning of
 * what it said, on its standard error if there is something; after the deadline it is killed, and the
 * error is ERR_TIMEOUT. What it leaves running finds both streams closed. In a fiber.
 */
int command_run(const struct command *c, struct deadline d, char **ret, size_t *ret_len,
		struct err *e) must_check;

#endif
