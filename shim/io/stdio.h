/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_SHIM_STDIO_H
#define HUSK_SHIM_STDIO_H

#include <stdbool.h>

#include "shim/agent/agent.h"

/*
 * The standard streams of one process: what containerd gave (fifo, file://, binary://, nothing) on
 * one side, the agent's ReadStdout, ReadStderr and WriteStdin on the other, one fiber per stream.
 * A stream that stalls holds up itself alone.
 */
struct stdio;

struct stdio_params {
	const char *ns, *id, *exec_id;                   /* exec_id "" is the init process */
	const char *stdin_uri, *stdout_uri, *stderr_uri; /* "" is none */
	bool terminal; /* stdout carries both; stderr is ignored */
};

/*
 * Open everything, both ends of each fifo included (containerd-shim.md 4.3); a logging binary is
 * started and has said it is ready. Copying starts with stdio_attach().
 */
int stdio_open(const struct stdio_params *p, struct deadline d, struct stdio **ret, struct err *e)
	must_check;

/* The process exists in the guest: start copying. `a` outlives the streams. */
void stdio_attach(struct stdio *s, struct agent *a);

/* CloseIO: end of input once what was written before has been passed on. Idempotent. */
void stdio_close_stdin(struct stdio *s);

/* The process has exited: until the outputs are at their end and closed, or the deadline. */
void stdio_drain(struct stdio *s, struct deadline d);

/* Ends what is still copying, closes everything. NULL is fine. */
void stdio_free(struct stdio *s);

#endif
