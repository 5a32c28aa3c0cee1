/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_AGENT_STREAMS_H
#define HUSK_AGENT_STREAMS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/async/deadline.h"
#include "common/base/cleanup.h"
#include "common/base/err.h"

/*
 * The agent's ends of a process's standard streams: pipes, or the master of a terminal.
 *
 * Nothing is read ahead: what the host does not fetch stays in the pipe and in the end stops the
 * writer. All calls that wait serve one fiber at a time, in the order in which they were made.
 */
#define STREAM_READ_MAX (1u << 20) /* bytes in one answer, whatever was asked for */

struct out_stream;

/* Owns fd whatever happens. */
struct out_stream *out_stream_consume(int fd, struct err *e) must_check;

/* Nobody may be in out_stream_read(): out_stream_end() first. NULL is fine. */
void out_stream_free(struct out_stream *s);

/*
 * Where much data that is in a pipe goes without being read here: to move the `len` bytes that `pipe`
 * holds, which nobody else reads or writes. After -1 what was not moved is still in the pipe.
 */
struct out_stream_mover {
	int (*move)(void *arg, int pipe, size_t len, struct err *e);
	void *arg;
};

/*
 * Waits for data. *ret: 1 to `max` bytes for free(); *ret NULL: *ret_len bytes have been moved
 * (`mover` may be NULL: never); *ret_len 0: the end, then and from then on. A terminal that has hung
 * up is at its end.
 *
 * A process that writes all the time in small pieces would be answered a small piece at a time:
 * shortly after an answer, a read that finds little waits a millisecond, once, for more. The first
 * line after a pause is never held up.
 */
int out_stream_read(struct out_stream *s, size_t max, const struct out_stream_mover *mover,
		    uint8_t **ret, size_t *ret_len, struct deadline d, struct err *e) must_check;

/*
 * The process is gone: what is in the pipe can still be read, then comes the end, even if somebody
 * else holds the other side open.
 */
void out_stream_end(struct out_stream *s);

/* Nobody is going to read the rest: as out_stream_end(), without the rest. */
void out_stream_drop(struct out_stream *s);

bool out_stream_used(const struct out_stream *s);     /* was it ever read? */
bool out_stream_finished(const struct out_stream *s); /* the end has been answered */
int out_stream_fd(const struct out_stream *s);        /* borrowed: for ioctl() on a terminal */

struct in_stream;

struct in_stream *in_stream_consume(int fd, bool terminal, struct err *e) must_check;
void in_stream_free(struct in_stream *s); /* after in_stream_shutdown(); NULL is fine */

/* All of it; waits while the pipe is full. ERR_STATE: the process has closed it, or we have. */
int in_stream_write(struct in_stream *s, const void *data, size_t len, struct deadline d,
		    struct err *e) must_check;

/*
 * End of input, after what is being written now. On a terminal nothing happens: closing the master
 * would hang it up and lose its output. Again: fine.
 */
int in_stream_close(struct in_stream *s, struct deadline d, struct err *e) must_check;

/* Whoever writes, now or later, fails. */
void in_stream_shutdown(struct in_stream *s);

#endif
