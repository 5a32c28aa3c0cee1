/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_SHIM_IO_ENDPOINT_H
#define HUSK_SHIM_IO_ENDPOINT_H

#include "common/async/io.h"

/*
 * The host's end of one standard stream.
 *
 * Of a fifo both ends are ours while the process lives (containerd-shim 4.3.1). The reader kept
 * beside an output's writer means that containerd can restart without the container meeting EPIPE;
 * what it writes waits in the pipe. The writer kept beside an input's reader means that a client
 * which goes away is not taken for the end of input.
 */
struct endpoint {
	struct io *io; /* what is copied from or to; NULL: nowhere */
	int keep;      /* the other end of a fifo; -1: none */
};
#define ENDPOINT_NONE ((struct endpoint){ .io = NULL, .keep = -1 })

/*
 * What is no fifo is opened as the file it is (outputs append). An output waits a second at the most
 * for a client that reads it, and goes on without one; an input does not wait.
 */
int endpoint_open_output(const char *path, struct deadline d, struct endpoint *ret, struct err *e)
	must_check;
int endpoint_open_input(const char *path, struct endpoint *ret, struct err *e) must_check;

/* Append to a file, made with mode 0644 (its directories 0755) if it is not there. */
int endpoint_open_file(const char *path, struct endpoint *ret, struct err *e) must_check;

/* Nobody may be waiting on it. */
void endpoint_close(struct endpoint *p);

#endif
