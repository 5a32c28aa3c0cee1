/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_SHIM_IO_COPY_H
#define HUSK_SHIM_IO_COPY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/async/fiber.h"
#include "shim/agent/agent.h"
#include "shim/io/endpoint.h"

/*
 * Copying between the agent's streams and the host's endpoints: one struct and one fiber for each
 * stream (an output has a second fiber where the agent keeps the order of reads, so that the next
 * answer is on its way while this one is written). A stream that stalls holds up itself alone.
 */

struct copy_process {
	struct agent *agent; /* set before a stream is started */
	char *id, *exec_id;
	bool terminal;
};

struct copy_output {
	const struct copy_process *process;
	enum agent_stream which;
	struct endpoint to; /* nowhere: what comes is read and dropped */
	struct fiber_group fibers;
	uint64_t asked, turn; /* reads are numbered: sent so far, the one whose data is next */
	struct cond turn_changed;
	struct cond ended_changed;
	bool ended;   /* and `to` closed */
	bool stopped; /* fibers leave at their next turn; `to` is closed after the last */
};

struct copy_input {
	const struct copy_process *process;
	struct endpoint from;
	struct fiber_group fibers;
};

void copy_output_init(struct copy_output *o, const struct copy_process *p, enum agent_stream which);
void copy_output_start(struct copy_output *o);
/* Until its end was reached and `to` is closed, or the deadline. */
void copy_output_wait(struct copy_output *o, struct deadline d);
/* End it where it is, close `to`. Idempotent; also before a start. */
void copy_output_stop(struct copy_output *o);

void copy_input_init(struct copy_input *in, const struct copy_process *p);
/* With no `from`, the process finds its input at the end at once. */
void copy_input_start(struct copy_input *in);
/* Our own writer goes: the input ends when the clients' writers are gone too. Idempotent. */
void copy_input_close_writer(struct copy_input *in);
void copy_input_stop(struct copy_input *in);

#endif
