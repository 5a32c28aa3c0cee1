/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_SHIM_IO_LOGGER_H
#define HUSK_SHIM_IO_LOGGER_H

#include "shim/io/endpoint.h"
#include "shim/io/uri.h"

/*
 * A logging program that is given a process's outputs (containerd-shim 4.3.2): descriptor 3 is
 * standard output, 4 standard error, 5 a pipe on which it says that it is ready. Its environment is
 * CONTAINER_ID and CONTAINER_NAMESPACE.
 */
struct logger;

/* Started and ready; the writing ends of its pipes go to ret_stdout and ret_stderr. */
int logger_start(const struct uri *uri, const char *ns, const char *id, struct deadline d,
		 struct logger **ret, struct endpoint *ret_stdout, struct endpoint *ret_stderr,
		 struct err *e) must_check;

/*
 * Its pipes were closed: let it write what it has and go. Returns at once; a fiber gives it SIGTERM
 * if it has not ended by itself and SIGKILL 12 s after this call. NULL is fine.
 */
void logger_finish(struct logger *l);

#endif
