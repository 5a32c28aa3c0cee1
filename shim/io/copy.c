/* SPDX-License-Identifier: Apache-2.0 */
/* Copying between the agent's streams and the host's endpoints; see copy.h. */
#include "shim/io/copy.h"

#include <stdlib.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "shim/io/staging.h"

/*
 * Bytes asked for at a time: what the agent's pipe, ours and a fifo hold. Over a serial port under TCG
 * 1 MiB took a third less of the processor than 256 KiB, since most of what an answer costs does not
 * depend on its length.
 */
#define OUTPUT_CHUNK (1u << 20)
#define INPUT_CHUNK  (64u << 10) /* what a pipe holds: more would only wait in the guest */

#define CLOSE_STDIN_MS 10000 /* an agent that does not answer this is stuck; the process goes on */

void copy_output_init(struct copy_output *o, const struct copy_process *p, enum agent_stream which)
{
	*o = (struct copy_output){
		.process = p,
		.which = which,
		.to = ENDPOINT_NONE,
		.fibers = FIBER_GROUP_INIT,
		.turn_changed = COND_INIT,
		.ended_changed = COND_INIT,
	};
}

static void end_output(struct copy_output *o)
{
	if (o->ended)
		return;
	o->ended = true;
	/* Only now do the client's readers see the end of file. */
	endpoint_close(&o->to);
	cond_wake_all(&o->turn_changed);
	cond_wake_all(&o->ended_changed);
}

/*
 * Data read by one fiber waits here until what was asked for earlier has been written. Who has the
 * turn is the only one to touch `to`. False: the stream is over.
 */
static bool wait_turn(struct copy_output *o, uint64_t number)
{
	struct err e = ERR_INIT;

	while (!o->ended && !o->stopped && o->turn != number)
		if (cond_wait(&o->turn_changed, DEADLINE_NEVER, &e) < 0)
			return false;
	return !o->ended && !o->stopped;
}

/* All of an answer to where the output goes. */
static int pass_on(const struct copy_output *o, struct staging *staging,
		   const struct agent_output *got, struct err *e)
{
	if (staging_pass(staging, got->piped, o->to.io, e) < 0)
		return -1;
	return io_write(o->to.io, got->data, got->len, DEADLINE_NEVER, e);
}

static void write_out(struct copy_output *o, struct staging *staging,
		      const struct agent_output *got)
{
	struct err e = ERR_INIT;

	if (o->to.io && pass_on(o, staging, got, &e) < 0 && !o->stopped) {
		/* The disk is full or the logging program died. The process must not stall for that. */
		log_warn("output of '%s' is dropped from here on: %s", o->process->id, e.text);
		endpoint_close(&o->to);
	}
	if (!o->to.io)
		staging_done(staging);
	else if (got->len >= STAGING_MIN)
		staging_make(staging, o->to.io);
}

static void copy_output(void *arg)
{
	struct copy_output *o = arg;
	const struct copy_process *p = o->process;
	auto_staging struct staging staging = STAGING_NONE;

	while (!o->ended && !o->stopped) {
		struct agent_output got = { .data = NULL };
		struct err e = ERR_INIT;
		uint64_t number = o->asked++;
		int result = agent_read_stream(p->agent, o->which, p->id, p->exec_id, OUTPUT_CHUNK,
					       staging.writer, &got, &e);
		bool over = result < 0 || got.piped + got.len == 0;
		bool mine = wait_turn(o, number);

		if (mine && result < 0)
			log_debug("output of '%s' ends: %s", p->id, e.text);
		if (mine && over)
			end_output(o);
		else if (mine)
			write_out(o, &staging, &got);
		free(got.data);
		if (!mine || over)
			return;
		o->turn++;
		cond_wake_all(&o->turn_changed);
	}
}

void copy_output_start(struct copy_output *o)
{
	fiber_group_start(&o->fibers, "output", copy_output, o);
	if (agent_has_feature(o->process->agent, AGENT_FEATURE_ORDERED_STREAMS))
		fiber_group_start(&o->fibers, "output, second read", copy_output, o);
}

void copy_output_wait(struct copy_output *o, struct deadline d)
{
	struct err e = ERR_INIT;

	while (!o->ended)
		if (cond_wait(&o->ended_changed, d, &e) < 0)
			return;
}

void copy_output_stop(struct copy_output *o)
{
	o->stopped = true;
	fiber_group_cancel(&o->fibers);
	fiber_group_wait(&o->fibers);
	end_output(o);
}

void copy_input_init(struct copy_input *in, const struct copy_process *p)
{
	*in = (struct copy_input){ .process = p,
				   .from = ENDPOINT_NONE,
				   .fibers = FIBER_GROUP_INIT };
}

/*
 * A terminal has no end of input that could be sent: closing it would lose what it still has to
 * say. The process reads no more, which is what a terminal without a person looks like.
 */
static void send_end(const struct copy_process *p)
{
	struct err e = ERR_INIT;

	if (p->terminal)
		return;
	if (agent_close_stdin(p->agent, p->id, p->exec_id, deadline_in_ms(CLOSE_STDIN_MS), &e) < 0)
		log_debug("end of input of '%s': %s", p->id, e.text);
}

static void copy_input(void *arg)
{
	struct copy_input *in = arg;
	const struct copy_process *p = in->process;
	auto_free uint8_t *buf = NULL;
	struct err e = ERR_INIT;
	ssize_t n = 0;

	if (in->from.io)
		buf = xmalloc(INPUT_CHUNK);
	while (in->from.io) {
		n = io_read(in->from.io, buf, INPUT_CHUNK, DEADLINE_NEVER, &e);
		if (n <= 0)
			break;
		if (agent_write_stdin(p->agent, p->id, p->exec_id, buf, (size_t)n, DEADLINE_NEVER,
				      &e) < 0) {
			n = -1;
			break;
		}
	}
	if (n == 0)
		send_end(p);
	else
		log_debug("input of '%s' ends: %s", p->id, e.text);
	endpoint_close(&in->from);
}

void copy_input_start(struct copy_input *in)
{
	fiber_group_start(&in->fibers, "input", copy_input, in);
}

void copy_input_close_writer(struct copy_input *in)
{
	close_slot(&in->from.keep);
	in->from.keep = -1;
}

void copy_input_stop(struct copy_input *in)
{
	fiber_group_cancel(&in->fibers);
	fiber_group_wait(&in->fibers);
	endpoint_close(&in->from);
}
