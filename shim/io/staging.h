/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_SHIM_IO_STAGING_H
#define HUSK_SHIM_IO_STAGING_H

#include "common/async/io.h"

/*
 * A pipe in which much output waits on its way from the agent's connection to a fifo, so that it is never
 * copied by us and takes none of our memory. Only a stream that has carried much at once gets one: four
 * of them for a process that never says anything would be a waste of descriptors.
 */
struct staging {
	int reader, writer; /* -1: none */
};
#define STAGING_NONE ((struct staging){ .reader = -1, .writer = -1 })

#define STAGING_MIN \
	(64u << 10) /* bytes in one answer that are much; what a pipe holds by default */

/* If there is none yet, and `to` can be moved to. Without one everything still works. */
void staging_make(struct staging *s, const struct io *to);

/* Move the `len` bytes that it holds on. */
int staging_pass(struct staging *s, size_t len, struct io *to, struct err *e) must_check;

/* With what is in it. */
void staging_done(struct staging *s);
#define auto_staging CLEANUP(staging_done)

#endif
