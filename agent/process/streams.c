/* SPDX-License-Identifier: Apache-2.0 */
/* Standard streams of a process, seen from the agent; see streams.h. */
#include "agent/process/streams.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "agent/process/turn.h"
#include "common/async/fiber.h"
#include "common/async/io.h"
#include "common/base/log.h"
#include "common/base/mem.h"

#define READ_UNKNOWN 4096u /* bytes to try where the kernel does not say how many there are */

/*
 * What can still be in a pipe (its largest size without privileges) or a terminal when a process has
 * gone. More than this after its end comes from somebody who goes on writing.
 */
#define LEFT_MAX (1u << 20)

/* Fewer bytes are copied: moving takes three more system calls. Not tuned by measurement. */
#define MOVE_MIN (16u << 10)

#define LITTLE     (128u << 10) /* bytes for which a read waits once */
#define LITTLE_MS  1
#define GOES_ON_NS (5 * 1000000) /* after an answer: then the process is taken to write on */

struct out_stream {
	struct io *io;
	struct turn readers;
	bool is_pipe;

	/*
	 * Pages on their way from the process's pipe to the host. The process's own is not fit to send
	 * from: its size is the process's to set, and the process goes on writing to it and can read it.
	 */
	int staging[2];      /* -1: not needed yet */
	size_t staged;       /* bytes in it; they come before what is in the other one */
	int64_t answered_ns; /* when data was last answered; 0: never */
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
	s->is_pipe = fcntl(fd, F_GETPIPE_SZ) > 0;
	s->staging[0] = s->staging[1] = -1;
	return s;
}

void out_stream_free(struct out_stream *s)
{
	if (!s)
		return;
	io_free(s->io);
	for (int i = 0; i < 2; i++)
		if (s->staging[i] >= 0)
			(void)close(s->staging[i]);
	free(s);
}

static size_t bytes_in(int fd)
{
	int n = 0;

	return ioctl(fd, FIONREAD, &n) == 0 && n > 0 ? (size_t)n : 0;
}

static size_t bytes_waiting(const struct out_stream *s)
{
	return bytes_in(io_fd(s->io));
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

static bool make_staging(struct out_stream *s)
{
	if (s->staging[0] >= 0)
		return true;
	if (pipe2(s->staging, O_CLOEXEC | O_NONBLOCK) < 0)
		return false;
	/* As many pages as the largest answer; with fewer the answers are smaller. */
	if (fcntl(s->staging[0], F_SETPIPE_SZ, STREAM_READ_MAX) < 0)
		log_debug("a pipe keeps its default size: %s", strerror(errno));
	return true;
}

/* Much data in a pipe moves on without being looked at. */
static void stage_data(struct out_stream *s, size_t max)
{
	ssize_t n;

	if (!s->is_pipe || s->staged > 0 || max < MOVE_MIN || bytes_waiting(s) < MOVE_MIN ||
	    !make_staging(s))
		return;
	n = splice(io_fd(s->io), NULL, s->staging[1], NULL, max, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	if (n > 0)
		s->staged = (size_t)n;
}

/* What is staged, moved on if somebody can do that and wants all of it, read otherwise. */
static ssize_t take_staged(struct out_stream *s, size_t max, const struct out_stream_mover *mover,
			   uint8_t **ret, struct err *e)
{
	size_t there = s->staged;
	auto_free uint8_t *buf = NULL;
	ssize_t n;

	if (mover && there <= max) {
		int r = mover->move(mover->arg, s->staging[0], there, e);

		s->staged = r == 0 ? 0 : bytes_in(s->staging[0]);
		return r == 0 ? (ssize_t)there : -1;
	}
	buf = xmalloc(there < max ? there : max);
	n = read(s->staging[0], buf, there < max ? there : max);
	if (n <= 0)
		return err_sys(e, n < 0 ? errno : EIO, "read what was staged");
	s->staged -= (size_t)n;
	*ret = take_ptr(buf);
	return n;
}

/* Let a process that goes on writing get further. -1: cancelled. */
static int wait_for_more(const struct out_stream *s, size_t max, struct deadline d, struct err *e)
{
	struct deadline more = deadline_min(d, deadline_in_ms(LITTLE_MS));
	size_t little = max < LITTLE ? max : LITTLE;

	if (s->ended || s->finished || s->staged > 0 ||
	    clock_now_ns() - s->answered_ns > GOES_ON_NS || bytes_waiting(s) >= little)
		return 0;
	return fiber_sleep_until(more, e);
}

static int read_in_turn(struct out_stream *s, size_t max, const struct out_stream_mover *mover,
			uint8_t **ret, size_t *ret_len, struct deadline d, struct err *e)
{
	if (wait_for_more(s, max, d, e) < 0)
		return -1;
	for (;;) {
		struct err wait = ERR_INIT;
		uint8_t *data = NULL;
		size_t most = s->ended && s->left < max ? s->left : max;
		ssize_t n = 0;

		if (s->finished) {
			*ret_len = 0;
			return 0;
		}
		if (mover && most > 0)
			stage_data(s, most);
		if (s->staged > 0) {
			n = take_staged(s, max, mover, &data, e);
			if (n < 0)
				return -1;
		} else if (most > 0) {
			n = read_now(s, most, &data);
		}
		if (n < 0 && errno == EAGAIN && s->ended)
			n = 0;
		if (n < 0 && errno != EAGAIN)
			return err_sys(e, errno, "read the stream");
		if (n == 0)
			s->finished = true;
		if (n > 0) {
			if (s->ended)
				s->left -= (size_t)n < s->left ? (size_t)n : s->left;
			s->answered_ns = clock_now_ns();
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

int out_stream_read(struct out_stream *s, size_t max, const struct out_stream_mover *mover,
		    uint8_t **ret, size_t *ret_len, struct deadline d, struct err *e)
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
	r = read_in_turn(s, max, mover, ret, ret_len, d, e);
	turn_end(&s->readers, &place);
	return r;
}

void out_stream_end(struct out_stream *s)
{
	if (s->ended)
		return;
	s->ended = true;
	s->left = LEFT_MAX + s->staged;
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
