/* SPDX-License-Identifier: Apache-2.0 */
/* Frames over a byte stream; see connection.h. */
#include "common/rpc/connection.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>

#include "proto/envelope.h"

/*
 * Small frames are received many at a time into this buffer. Of a large one only the beginning passes
 * through it; the rest is read to its own place, together with the beginning of the next frame.
 */
#define IN_BYTES 8192u

/*
 * vsock sends up to 64 KiB in one packet. But since Linux 6.3, and Debian's 6.1, a packet is a socket buffer:
 * with its header and its end (some 400 bytes) it must fit a power of two, or half of what is allocated, and
 * cleared, is for nothing.
 */
#define COPY_BYTES (60u << 10)

/* Shorter answers are not worth the system calls of a pipe. Not tuned by measurement. */
#define TAIL_MIN (64u << 10)

/*
 * See rpc_client_gather(): for so long where so much is to come. At 1 GB/s it comes in 0.13 ms, so that an
 * answer is never late by more than this one moment.
 */
#define GATHER_MIN (128u << 10)
#define GATHER_MS  1

/* Of a response, up to its last field: two keys and a status that says success. */
#define TAIL_HEAD_MAX 64u

/*
 * A virtio-serial port takes whole pages of a pipe as they are. For vsock splice(2) was no gain when
 * measured with Linux 6.1: there it is read and written in larger pieces.
 */
static bool can_splice(const struct io *io)
{
	int domain = AF_UNSPEC;
	socklen_t len = sizeof(domain);

	return getsockopt(io_fd(io), SOL_SOCKET, SO_DOMAIN, &domain, &len) < 0 ||
	       domain != AF_VSOCK;
}

void rpc_connection_init(struct rpc_connection *c, struct io *io)
{
	*c = (struct rpc_connection){ .io = io,
				      .in = xmalloc(IN_BYTES),
				      .splices = can_splice(io) };
}

/* As io_read(), into two places. */
static ssize_t receive_some(struct rpc_connection *c, struct iovec iov[static 2], struct err *e)
{
	for (;;) {
		ssize_t n;

		io_before_read(c->io);
		if (c->closed)
			return err_set(e, ERR_UNAVAILABLE, "connection closed");
		n = readv(io_fd(c->io), iov, 2);
		if (n >= 0)
			return n;
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return err_sys(e, errno, "read");
		if (io_wait_readable(c->io, DEADLINE_NEVER, e) < 0)
			return -1;
	}
}

/*
 * Read to[0..len) completely; what comes in the same go behind it lands in the buffer, which must be
 * empty. `to` may be NULL where len is 0: then one read to the buffer.
 */
static int receive_into(struct rpc_connection *c, uint8_t *to, size_t len, struct err *e)
{
	do {
		struct iovec iov[2] = { { to, len }, { c->in + c->in_end, IN_BYTES - c->in_end } };
		ssize_t n = receive_some(c, iov, e);

		if (n < 0)
			return -1;
		if (n == 0)
			return 0;
		if ((size_t)n > len) {
			c->in_end += (size_t)n - len;
			return 1;
		}
		to += n;
		len -= (size_t)n;
	} while (len > 0);
	return 1;
}

static int cut_short(struct err *e)
{
	return err_set(e, ERR_UNAVAILABLE, "connection closed in the middle of a message");
}

static size_t in_len(const struct rpc_connection *c)
{
	return c->in_end - c->in_start;
}

/* Move up to len buffered bytes to `to` (NULL: to nowhere). Returns how many. */
static size_t take_buffered(struct rpc_connection *c, uint8_t *to, size_t len)
{
	size_t n = in_len(c) < len ? in_len(c) : len;

	if (to && n > 0)
		memcpy(to, c->in + c->in_start, n);
	c->in_start += n;
	if (c->in_start == c->in_end)
		c->in_start = c->in_end = 0;
	return n;
}

/* One read behind what is buffered. As receive_into(). */
static int fill_buffer(struct rpc_connection *c, struct err *e)
{
	memmove(c->in, c->in + c->in_start, in_len(c));
	c->in_end = in_len(c);
	c->in_start = 0;
	return receive_into(c, NULL, 0, e);
}

static int receive_exactly(struct rpc_connection *c, uint8_t *to, size_t len, struct err *e)
{
	size_t have = take_buffered(c, to, len);

	if (have < len) {
		int r = receive_into(c, to + have, len - have, e);

		if (r <= 0)
			return r < 0 ? -1 : cut_short(e);
	}
	return 0;
}

static int skip(struct rpc_connection *c, size_t len, struct err *e)
{
	for (;;) {
		int r;

		len -= take_buffered(c, NULL, len);
		if (len == 0)
			return 0;
		r = receive_into(c, NULL, 0, e);
		if (r <= 0)
			return r < 0 ? -1 : cut_short(e);
	}
}

int rpc_connection_receive_header(struct rpc_connection *c, struct incoming *ret, struct err *e)
{
	enum frame_result found;
	struct frame f;
	size_t used;

	while ((found = frame_decode(c->in + c->in_start, in_len(c), &f, &used)) == FRAME_SHORT) {
		int r = fill_buffer(c, e);

		if (r < 0)
			return -1;
		if (r == 0)
			return in_len(c) == 0 ? 0 : cut_short(e);
	}
	(void)take_buffered(c, NULL, FRAME_HEADER_LEN);
	*ret = (struct incoming){
		.stream = f.stream,
		.type = f.type,
		.flags = f.flags,
		.len = f.payload_len,
		.too_large = found == FRAME_TOO_LARGE,
	};
	return 1;
}

int rpc_connection_receive_payload(struct rpc_connection *c, struct incoming *f, struct err *e)
{
	auto_free uint8_t *payload = NULL;

	if (f->too_large)
		return skip(c, f->len, e) < 0 ? -1 : 1;
	if (f->len == 0)
		return 1;
	payload = xmalloc(f->len);
	if (receive_exactly(c, payload, f->len, e) < 0)
		return -1;
	f->payload = take_ptr(payload);
	return 1;
}

int rpc_connection_receive(struct rpc_connection *c, struct incoming *ret, struct err *e)
{
	struct incoming in;
	int r = rpc_connection_receive_header(c, &in, e);

	if (r > 0)
		r = rpc_connection_receive_payload(c, &in, e);
	if (r > 0)
		*ret = in;
	return r;
}

/* Up to len bytes of the stream to the pipe. Returns how many; 0: no more than that goes there. */
static ssize_t move_some(struct rpc_connection *c, int pipe, size_t len, struct err *e)
{
	ssize_t n;

	if (in_len(c) > 0) {
		n = write(pipe, c->in + c->in_start, in_len(c) < len ? in_len(c) : len);
		if (n <= 0)
			return 0;
		return (ssize_t)take_buffered(c, NULL, (size_t)n);
	}
	if (!c->splices)
		return 0;
	do
		n = splice(io_fd(c->io), NULL, pipe, NULL, len, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	while (n < 0 && errno == EINTR);
	if (n > 0)
		return n;
	if (n == 0)
		return cut_short(e);
	if (errno == EINVAL)
		c->splices = false; /* a kind of descriptor that cannot */
	else if (errno != EAGAIN)
		return err_sys(e, errno, "splice");
	return 0;
}

/* The stream was empty. */
static int wait_for_more(struct rpc_connection *c, size_t missing, struct err *e)
{
	if (c->gathers && missing >= GATHER_MIN && fiber_sleep_ms(GATHER_MS, e) < 0)
		return -1;
	return io_wait_readable(c->io, DEADLINE_NEVER, e);
}

/*
 * To the pipe of c->tail, which may go meanwhile. Returns what is left, -1 on error. Nothing moves where
 * the stream is empty or the pipe full, and after a wait for the stream it must be the pipe.
 */
static ssize_t move_tail(struct rpc_connection *c, size_t len, struct err *e)
{
	bool waited = false;

	while (len > 0 && c->tail && !c->closed) {
		ssize_t n = move_some(c, c->tail->pipe, len, e);

		if (n < 0)
			return -1;
		len -= (size_t)n;
		c->tail->piped += (size_t)n;
		if (n == 0 && (waited || in_len(c) > 0 || !c->splices))
			break;
		if (n == 0 && wait_for_more(c, len, e) < 0)
			return -1;
		waited = n == 0;
	}
	return (ssize_t)len;
}

/* The payload becomes a response with what is left of the field: the last `len` bytes of the frame. */
static int receive_rest(struct rpc_connection *c, struct incoming *f, uint32_t field, size_t len,
			struct err *e)
{
	uint8_t outer[WIRE_KEY_MAX], inner[WIRE_KEY_MAX];
	size_t inner_len = wire_put_key(inner, field, len);
	size_t outer_len = wire_put_key(outer, ENVELOPE_RESPONSE_PAYLOAD, inner_len + len);
	auto_free uint8_t *payload = xmalloc(outer_len + inner_len + len);

	memcpy(payload, outer, outer_len);
	memcpy(payload + outer_len, inner, inner_len);
	if (receive_exactly(c, payload + outer_len + inner_len, len, e) < 0)
		return -1;
	f->len = (uint32_t)(outer_len + inner_len + len);
	f->payload = take_ptr(payload);
	return 1;
}

int rpc_connection_receive_tail(struct rpc_connection *c, struct incoming *f,
				struct incoming_tail *t, struct err *e)
{
	uint32_t field = t->field;
	size_t before;
	ssize_t left;

	t->piped = 0;
	if (f->too_large || f->len < TAIL_MIN || !c->splices)
		return rpc_connection_receive_payload(c, f, e);
	c->tail = t;
	while (in_len(c) < TAIL_HEAD_MAX) {
		int r = fill_buffer(c, e);

		if (r <= 0)
			return r < 0 ? -1 : cut_short(e);
	}
	if (!envelope_ends_in((struct slice){ c->in + c->in_start, TAIL_HEAD_MAX }, f->len, field,
			      &before)) {
		c->tail = NULL;
		return rpc_connection_receive_payload(c, f, e);
	}
	(void)take_buffered(c, NULL, before);
	left = move_tail(c, f->len - before, e);
	if (left < 0)
		return -1;
	if (!take_ptr(c->tail))
		return skip(c, (size_t)left, e) < 0 ? -1 : 1;
	return receive_rest(c, f, field, (size_t)left, e);
}

void rpc_connection_drop_tail(struct rpc_connection *c, const struct incoming_tail *t)
{
	if (c->tail == t)
		c->tail = NULL;
}

static void leave(struct rpc_connection *c)
{
	if (--c->senders == 0)
		cond_wake_all(&c->idle);
}

int rpc_connection_begin(struct rpc_connection *c, struct deadline d, struct err *e)
{
	c->senders++;
	while (c->sending && !c->closed) {
		if (cond_wait(&c->turn, d, e) < 0) {
			/* Perhaps it was woken for the turn as well: then the turn is the next one's. */
			if (!c->sending)
				cond_wake_one(&c->turn);
			leave(c);
			return -1;
		}
	}
	if (c->closed) {
		leave(c);
		return err_set(e, ERR_UNAVAILABLE, "connection closed");
	}
	c->sending = true;
	return 0;
}

void rpc_connection_end(struct rpc_connection *c)
{
	c->sending = false;
	cond_wake_one(&c->turn);
	leave(c);
}

/* Takes what was written off iov[0..n); returns the number of parts that are done with. */
static int iov_advance(struct iovec *iov, int n, size_t written)
{
	int done = 0;

	while (done < n && written >= iov[done].iov_len)
		written -= iov[done++].iov_len;
	if (done < n) {
		iov[done].iov_base = (char *)iov[done].iov_base + written;
		iov[done].iov_len -= written;
	}
	return done;
}

/* Everything, or -1 with *iov and *n saying what is left. */
static int write_parts(struct rpc_connection *c, struct iovec **iov, int *n, struct deadline d,
		       struct err *e)
{
	while (*n > 0) {
		ssize_t r;
		int done;

		if (c->closed)
			return err_set(e, ERR_UNAVAILABLE, "connection closed");
		r = writev(io_fd(c->io), *iov, *n < IOV_MAX ? *n : IOV_MAX);
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0 && errno != EAGAIN)
			return err_sys(e, errno, "write");
		if (r < 0) {
			if (io_wait_writable(c->io, d, e) < 0)
				return -1;
			continue;
		}
		done = iov_advance(*iov, *n, (size_t)r);
		*iov += done;
		*n -= done;
	}
	return 0;
}

static int send_unsent(struct rpc_connection *c, struct deadline d, struct err *e)
{
	struct iovec one = { c->unsent.data, c->unsent.len };
	struct iovec *iov = &one;
	int n = c->unsent.len > 0 ? 1 : 0;
	int r = write_parts(c, &iov, &n, d, e);

	if (r == 0)
		buf_done(&c->unsent);
	else
		buf_drop_front(&c->unsent, c->unsent.len - one.iov_len);
	return r;
}

/* Whether the stream stays usable after this: then the other side must get whole frames only. */
static bool gave_up(const struct err *e)
{
	return e->code == ERR_TIMEOUT || e->code == ERR_CANCELLED;
}

/* Up to len bytes of the tail. Returns how many. */
static ssize_t read_tail(struct outgoing_tail *t, void *to, size_t len, struct err *e)
{
	ssize_t n;

	do
		n = read(t->pipe, to, t->len < len ? t->len : len);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return err_set(e, ERR_INTERNAL, "%zu bytes are missing in a pipe", t->len);
	t->len -= (size_t)n;
	return n;
}

/* Behind what is kept already. -1: the stream can no longer be used. */
static int keep_tail(struct rpc_connection *c, struct outgoing_tail *t, struct err *e)
{
	while (t->len > 0) {
		ssize_t n = read_tail(t, buf_reserve(&c->unsent, t->len), t->len, e);

		if (n < 0)
			return -1;
		c->unsent.len += (size_t)n;
	}
	return 0;
}

static int copy_tail(struct rpc_connection *c, struct outgoing_tail *t, struct deadline d,
		     struct err *e)
{
	struct iovec one, *iov = &one;
	int n_iov = 1;
	ssize_t n;

	if (!c->copy)
		c->copy = xmalloc(COPY_BYTES);
	n = read_tail(t, c->copy, COPY_BYTES, e);
	if (n < 0)
		return -1;
	one = (struct iovec){ c->copy, (size_t)n };
	if (write_parts(c, &iov, &n_iov, d, e) == 0)
		return 0;
	if (gave_up(e))
		buf_add(&c->unsent, one.iov_base, one.iov_len);
	return -1;
}

static int splice_tail(struct rpc_connection *c, struct outgoing_tail *t, struct deadline d,
		       struct err *e)
{
	ssize_t n = splice(t->pipe, NULL, io_fd(c->io), NULL, t->len,
			   SPLICE_F_MOVE | SPLICE_F_NONBLOCK);

	if (n > 0) {
		t->len -= (size_t)n;
		return 0;
	}
	if (n < 0 && errno == EINVAL)
		c->splices = false; /* a kind of descriptor that cannot */
	else if (n < 0 && errno == EAGAIN)
		return io_wait_writable(c->io, d, e);
	else if (n == 0 || errno != EINTR)
		return err_sys(e, n == 0 ? EIO : errno, "splice");
	return 0;
}

static int write_tail(struct rpc_connection *c, struct outgoing_tail *t, struct deadline d,
		      struct err *e)
{
	while (t->len > 0) {
		if (c->closed)
			return err_set(e, ERR_UNAVAILABLE, "connection closed");
		if ((c->splices ? splice_tail : copy_tail)(c, t, d, e) < 0)
			return -1;
	}
	return 0;
}

int rpc_connection_send(struct rpc_connection *c, struct outgoing *o, struct deadline d,
			struct err *e)
{
	struct iovec *iov = o->iov;
	size_t first_len = o->iov[0].iov_len;
	int n = o->n;

	if (c->send_failed)
		return err_set(e, ERR_UNAVAILABLE, "connection lost");
	if (send_unsent(c, d, e) == 0) {
		if (write_parts(c, &iov, &n, d, e) == 0 && write_tail(c, &o->tail, d, e) == 0)
			return 0;
		if (gave_up(e) && (n == 0 || iov != o->iov || iov->iov_len != first_len)) {
			for (int i = 0; i < n; i++)
				buf_add(&c->unsent, iov[i].iov_base, iov[i].iov_len);
			if (keep_tail(c, &o->tail, e) < 0)
				c->send_failed = true;
		}
	}
	if (!gave_up(e))
		c->send_failed = true;
	return -1;
}

void rpc_connection_close(struct rpc_connection *c)
{
	if (c->closed)
		return;
	c->closed = true;
	io_shutdown(c->io);
	cond_wake_all(&c->turn);
}

void rpc_connection_done(struct rpc_connection *c)
{
	rpc_connection_close(c);
	while (c->senders > 0)
		(void)cond_wait_uncancellable(&c->idle, DEADLINE_NEVER);
	io_free(take_ptr(c->io));
	free(take_ptr(c->in));
	free(take_ptr(c->copy));
	buf_done(&c->unsent);
}
