/* SPDX-License-Identifier: Apache-2.0 */
/* Standard streams of a process, seen from the agent; see streams.h. */
#include "agent/process/streams.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>

#include "agent/process/turn.h"
#include "common/async/io.h"
#include "common/base/mem.h"

#define READ_UNKNOWN 4096u /* bytes to try where the kernel does not say how many there are */

/*
 * What can still be in a pipe (its largest size without privileges) or a terminal when a process has
 * gone. More than this after its end comes from somebody who goes on writing.
 */
#define LEFT_MAX (1u << 20)

struct out_stream {
	struct io *io;
	struct turn readers;
	bool used;
	bool ended;  /* nothing more is waited for; what is there may still be read */
	size_t left; /* bytes that may be read after that */
	bool finished;
};

struct in_stream {
	struct io *io; /* NULL: closed */
	struct turn writers;
	bool terminal, down;
};

struct out_stream *out_stream_consume(int fd, struct err *e)
{
	struct io *io = io_consume(fd, e);
	struct out_stream *s;

	if (!io)
		return NULL;
	s = xnew(struct out_stream);
	s->io = io;
	return s;
}

void out_stream_free(struct out_stream *s)
{
	if (!s)
		return;
	io_free(s->io);
	free(s);
}

static size_t bytes_waiting(const struct out_stream *s)
{
	int n = 0;

	return ioctl(io_fd(s->io), FIONREAD, &n) == 0 && n > 0 ? (size_t)n : 0;
}

/*
 * One read without waiting. The buffer is made as large as what is there and not as large as what
 * was asked for: readers that wait for a quiet process hold no memory.
 */
static ssize_t read_now(struct out_stream *s, size_t max, uint8_t **ret)
{
	size_t there = bytes_waiting(s);
	auto_free uint8_t *buf = NULL;
	ssize_t n;

	if (there == 0)
		there = READ_UNKNOWN;
	if (there > max)
		there = max;
	buf = xmalloc(there);
	n = io_try_read(s->io, buf, there);
	if (n < 0 && errno == EIO)
		return 0; /* the last holder of a terminal's other side has closed it */
	if (n > 0)
		*ret = take_ptr(buf);
	return n;
}

static int read_in_turn(struct out_stream *s, size_t max, uint8_t **ret, size_t *ret_len,
			struct deadline d, struct err *e)
{
	for (;;) {
		struct err wait = ERR_INIT;
		uint8_t *data = NULL;
		ssize_t n = 0;

		if (s->finished) {
			*ret_len = 0;
			return 0;
		}
		if (!s->ended || s->left > 0)
			n = read_now(s, s->ended && s->left < max ? s->left : max, &data);
		if (n < 0 && errno == EAGAIN && s->ended)
			n = 0;
		if (n < 0 && errno != EAGAIN)
			return err_sys(e, errno, "read the stream");
		if (n == 0)
			s->finished = true;
		if (n > 0) {
			if (s->ended)
				s->left -= (size_t)n;
			*ret = data;
			*ret_len = (size_t)n;
			return 0;
		}
		if (n < 0 && io_wait_readable(s->io, d, &wait) < 0 && !s->ended) {
			*e = wait;
			return -1;
		}
	}
}

int out_stream_read(struct out_stream *s, size_t max, uint8_t **ret, size_t *ret_len,
		    struct deadline d, struct err *e)
{
	struct turn_place place;
	int r;

	s->used = true;
	*ret = NULL;
	if (max == 0)
		return err_set(e, ERR_INVALID, "a read of 0 bytes");
	if (max > STREAM_READ_MAX)
		max = STREAM_READ_MAX;
	if (turn_wait(&s->readers, &place, d, e) < 0)
		return -1;
	r = read_in_turn(s, max, ret, ret_len, d, e);
	turn_end(&s->readers, &place);
	return r;
}

void out_stream_end(struct out_stream *s)
{
	if (s->ended)
		return;
	s->ended = true;
	s->left = LEFT_MAX;
	io_shutdown(s->io);
}

void out_stream_drop(struct out_stream *s)
{
	out_stream_end(s);
	s->left = 0;
	s->finished = true;
}

bool out_stream_used(const struct out_stream *s)
{
	return s->used;
}

bool out_stream_finished(const struct out_stream *s)
{
	return s->finished;
}

int out_stream_fd(const struct out_stream *s)
{
	return io_fd(s->io);
}

struct in_stream *in_stream_consume(int fd, bool terminal, struct err *e)
{
	struct io *io = io_consume(fd, e);
	struct in_stream *s;

	if (!io)
		return NULL;
	s = xnew(struct in_stream);
	s->io = io;
	s->terminal = terminal;
	return s;
}

void in_stream_free(struct in_stream *s)
{
	if (!s)
		return;
	io_free(s->io);
	free(s);
}

int in_stream_write(struct in_stream *s, const void *data, size_t len, struct deadline d,
		    struct err *e)
{
	struct err failed = ERR_INIT;
	struct turn_place place;
	int r;

	if (turn_wait(&s->writers, &place, d, e) < 0)
		return -1;
	if (!s->io || s->down)
		r = err_set(e, ERR_STATE, "standard input is closed");
	else if ((r = io_write(s->io, data, len, d, &failed)) < 0 &&
		 (s->down || failed.sys == EPIPE || failed.sys == EIO))
		err_set(e, ERR_STATE, "the process no longer reads its standard input");
	else if (r < 0)
		*e = failed;
	turn_end(&s->writers, &place);
	return r;
}

int in_stream_close(struct in_stream *s, struct deadline d, struct err *e)
{
	struct turn_place place;

	if (s->terminal)
		return 0;
	if (turn_wait(&s->writers, &place, d, e) < 0)
		return -1;
	io_free(s->io);
	s->io = NULL;
	turn_end(&s->writers, &place);
	return 0;
}

void in_stream_shutdown(struct in_stream *s)
{
	s->down = true;
	if (s->io)
		io_shutdown(s->io);
}
