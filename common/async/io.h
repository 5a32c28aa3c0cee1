/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_ASYNC_IO_H
#define HUSK_ASYNC_IO_H

#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "common/async/deadline.h"
#include "common/base/cleanup.h"
#include "common/base/err.h"

/*
 * A descriptor that fibers read and write: socket, pipe, fifo, terminal, pidfd, signalfd, netlink.
 * Regular files work too and never wait. One fiber may read while another writes; two that read (or
 * two that write) at once are a bug and assert.
 */
struct io;

/* Owns fd whatever happens, and makes it non-blocking. Fails only for an invalid descriptor. */
struct io *io_consume(int fd, struct err *e) must_check;

/* Closes the descriptor. Nobody may be waiting on it: io_shutdown() first and let them return. */
void io_free(struct io *io);

static inline void io_free_slot(struct io **io)
{
	io_free(*io);
}
#define auto_io CLEANUP(io_free_slot)

int io_fd(const struct io *io); /* borrowed */

/* Call fn(arg) when io_free() has closed it: for who lends a thing out one connection at a time. */
void io_on_free(struct io *io, void (*fn)(void *arg), void *arg);

/*
 * End it for everybody: shutdown(2) where it is a socket; whoever waits, and whoever tries later,
 * gets ERR_UNAVAILABLE. The descriptor stays open until io_free().
 */
void io_shutdown(struct io *io);

/*
 * Who reads by calls of its own says so here before each: a peer that always has more to read, as a
 * hostile guest can, would else keep the loop from every other fiber. Every so often this is a
 * fiber_yield(); io_read() does it by itself.
 */
void io_before_read(struct io *io);

/* 1 to len bytes; 0 at end of file. -1: ERR_TIMEOUT, ERR_CANCELLED, ERR_UNAVAILABLE, or errno's. */
ssize_t io_read(struct io *io, void *buf, size_t len, struct deadline d, struct err *e) must_check;

/* Exactly len bytes; end of file before that is ERR_UNAVAILABLE. */
int io_read_exactly(struct io *io, void *buf, size_t len, struct deadline d, struct err *e)
	must_check;

/* All of it. After an error some of it may have been written. */
int io_write(struct io *io, const void *buf, size_t len, struct deadline d, struct err *e)
	must_check;
int io_writev(struct io *io, const struct iovec *iov, int n, struct deadline d, struct err *e)
	must_check;

/* What is there now, without waiting: -1 with errno EAGAIN if nothing. */
ssize_t io_try_read(struct io *io, void *buf, size_t len) must_check;

/* Until it can be read (written), or has hung up. For descriptors with calls of their own. */
int io_wait_readable(struct io *io, struct deadline d, struct err *e) must_check;
int io_wait_writable(struct io *io, struct deadline d, struct err *e) must_check;

/* accept4() on a listening socket: a close-on-exec descriptor the caller owns. */
int io_accept(struct io *io, struct deadline d, struct err *e) must_check;

#endif
