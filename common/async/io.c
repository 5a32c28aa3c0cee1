/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptors that fibers read and write; see io.h.
 *
 * Interest in readiness stays armed while a fiber keeps coming back to wait, so a reader in a loop
 * costs no epoll_ctl() per read; readiness that nobody waits for is disarmed when it fires.
 */
#include "common/async/io.h"

#include <assert.h>
#include <sys/socket.h>

#include "common/async/loop.h"
#include "common/base/mem.h"

#define READS_IN_A_ROW 64 /* as many cost more than the turn of the loop that comes with them */

struct io {
	int fd;
	uv_poll_t *poll; /* NULL: a regular file, which is always ready */
	int armed;       /* events the poll handle is started with */
	unsigned reads;  /* in a row, without a wait between them */
	bool down;
	struct cond readable, writable;
	void (*on_free)(void *arg);
	void *on_free_arg;
};

static void arm(struct io *io, int events);

static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct io *io = poll->data;
	int unwanted = 0;

	/* An error of the poll itself has stopped it; the next read or write tells the reason. */
	if (status < 0) {
		io->armed = 0;
		cond_wake_all(&io->readable);
		cond_wake_all(&io->writable);
		return;
	}
	if (events & UV_READABLE) {
		if (!io->readable.first)
			unwanted |= UV_READABLE;
		cond_wake_all(&io->readable);
	}
	if (events & UV_WRITABLE) {
		if (!io->writable.first)
			unwanted |= UV_WRITABLE;
		cond_wake_all(&io->writable);
	}
	if (unwanted)
		arm(io, io->armed & ~unwanted);
}

static void arm(struct io *io, int events)
{
	if (events == io->armed)
		return;
	io->armed = events;
	if (events)
		(void)uv_poll_start(io->poll, events, on_poll);
	else
		(void)uv_poll_stop(io->poll);
}

static void on_closed(uv_handle_t *handle)
{
	free(handle);
}

struct io *io_consume(int fd, struct err *e)
{
	auto_close int owned = fd;
	struct io *io;
	int r;

	io = xnew(struct io);
	io->poll = xnew(uv_poll_t);
	r = uv_poll_init(loop_get(), io->poll, owned);
	if (r == UV_EPERM) {
		free(io->poll);
		io->poll = NULL;
	} else if (r < 0) {
		free(io->poll);
		free(io);
		err_sys(e, -r, "watch descriptor %d", fd);
		return NULL;
	} else {
		io->poll->data = io;
	}
	io->fd = take_fd(&owned);
	return io;
}

void io_free(struct io *io)
{
	if (!io)
		return;
	assert(!io->readable.first && !io->writable.first);
	/* uv_close() takes the descriptor out of the loop at once, the memory follows later. */
	if (io->poll)
		uv_close((uv_handle_t *)io->poll, on_closed);
	(void)close(io->fd);
	if (io->on_free)
		io->on_free(io->on_free_arg);
	free(io);
}

void io_on_free(struct io *io, void (*fn)(void *arg), void *arg)
{
	io->on_free = fn;
	io->on_free_arg = arg;
}

int io_fd(const struct io *io)
{
	return io->fd;
}

void io_shutdown(struct io *io)
{
	io->down = true;
	(void)shutdown(io->fd, SHUT_RDWR);
	cond_wake_all(&io->readable);
	cond_wake_all(&io->writable);
}

static int check_up(const struct io *io, struct err *e)
{
	return io->down ? err_set(e, ERR_UNAVAILABLE, "connection closed") : 0;
}

static int wait_for(struct io *io, struct cond *c, int event, struct deadline d, struct err *e)
{
	if (check_up(io, e) < 0)
		return -1;
	if (!io->poll)
		return 0;
	assert(!c->first); /* two fibers wait for the same direction */
	if (event == UV_READABLE)
		io->reads = 0;
	arm(io, io->armed | event);
	if (cond_wait(c, d, e) < 0)
		return -1;
	return check_up(io, e);
}

int io_wait_readable(struct io *io, struct deadline d, struct err *e)
{
	return wait_for(io, &io->readable, UV_READABLE, d, e);
}

int io_wait_writable(struct io *io, struct deadline d, struct err *e)
{
	return wait_for(io, &io->writable, UV_WRITABLE, d, e);
}

ssize_t io_try_read(struct io *io, void *buf, size_t len)
{
	ssize_t n;

	do
		n = read(io->fd, buf, len);
	while (n < 0 && errno == EINTR);
	return n;
}

void io_before_read(struct io *io)
{
	if (++io->reads < READS_IN_A_ROW)
		return;
	io->reads = 0;
	if (fiber_running())
		fiber_yield();
}

ssize_t io_read(struct io *io, void *buf, size_t len, struct deadline d, struct err *e)
{
	for (;;) {
		ssize_t n;

		io_before_read(io);
		if (check_up(io, e) < 0)
			return -1;
		n = io_try_read(io, buf, len);
		if (n >= 0)
			return n;
		if (errno != EAGAIN)
			return err_sys(e, errno, "read");
		if (io_wait_readable(io, d, e) < 0)
			return -1;
	}
}

int io_read_exactly(struct io *io, void *buf, size_t len, struct deadline d, struct err *e)
{
	char *p = buf;

	while (len > 0) {
		ssize_t n = io_read(io, p, len, d, e);

		if (n < 0)
			return -1;
		if (n == 0)
			return err_set(e, ERR_UNAVAILABLE, "connection closed by the peer");
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int io_write(struct io *io, const void *buf, size_t len, struct deadline d, struct err *e)
{
	struct iovec iov = { .iov_base = (void *)(uintptr_t)buf, .iov_len = len };

	return io_writev(io, &iov, 1, d, e);
}

#define IOV_PARTS_MAX 8

int io_writev(struct io *io, const struct iovec *iov, int n, struct deadline d, struct err *e)
{
	struct iovec rest[IOV_PARTS_MAX];
	struct iovec *v = rest;

	assert(n <= IOV_PARTS_MAX);
	for (int i = 0; i < n; i++)
		rest[i] = iov[i];
	for (;;) {
		ssize_t sent;

		while (n > 0 && v->iov_len == 0) {
			v++;
			n--;
		}
		if (n == 0)
			return 0;
		if (check_up(io, e) < 0)
			return -1;
		sent = writev(io->fd, v, n);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0 && errno != EAGAIN)
			return err_sys(e, errno, "write");
		if (sent < 0) {
			if (io_wait_writable(io, d, e) < 0)
				return -1;
			continue;
		}
		for (size_t left = (size_t)sent; left > 0;) {
			size_t part = left < v->iov_len ? left : v->iov_len;

			v->iov_base = (char *)v->iov_base + part;
			v->iov_len -= part;
			left -= part;
			if (v->iov_len == 0) {
				v++;
				n--;
			}
		}
	}
}

int io_accept(struct io *io, struct deadline d, struct err *e)
{
	for (;;) {
		int fd;

		if (check_up(io, e) < 0)
			return -1;
		fd = accept4(io->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd >= 0)
			return fd;
		if (errno == EINTR || errno == ECONNABORTED)
			continue;
		if (errno != EAGAIN)
			return err_sys(e, errno, "accept");
		if (io_wait_readable(io, d, e) < 0)
			return -1;
	}
}
