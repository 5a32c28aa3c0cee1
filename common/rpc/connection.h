/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_RPC_CONNECTION_H
#define HUSK_RPC_CONNECTION_H

#include <stdbool.h>

#include "common/async/fiber.h"
#include "common/async/io.h"
#include "common/base/mem.h"
#include "common/rpc/outgoing.h"

/*
 * A byte stream as frames, for both ends of ttrpc: one fiber receives, many send, and what they send
 * never interleaves. For server.c and client.c, which embed it.
 */
struct rpc_connection {
	struct io *io;
	uint8_t *in; /* received and not looked at: in[in_start..in_end) */
	size_t in_start, in_end;
	bool closed;       /* by us; the io may be gone */
	bool sending;      /* a fiber has the turn */
	bool send_failed;  /* the peer takes no more; what it sent can still be received */
	unsigned senders;  /* fibers inside the functions below */
	struct cond turn;  /* sending or closed has changed */
	struct cond idle;  /* senders is 0 */
	struct buf unsent; /* the rest of a frame whose sender gave up half-way */
	bool splices;  /* what is in a pipe goes out, and what goes to one comes in, by splice(2) */
	bool gathers;  /* see rpc_client_gather() */
	uint8_t *copy; /* where it does not: what it passes through; NULL until then */
	struct incoming_tail *tail; /* being received; NULL also when who waited for it has gone */
};

/* Owns the io from here on. */
void rpc_connection_init(struct rpc_connection *c, struct io *io);

/* A frame that was received. The payload is the receiver's: free() it. */
struct incoming {
	uint32_t stream;
	uint8_t type, flags;
	uint32_t len;
	bool too_large;   /* over FRAME_PAYLOAD_MAX: skipped, there is no payload */
	uint8_t *payload; /* NULL also where len is 0 */
};

/* 1: *ret is set; 0: the peer closed it between two frames; -1: it is broken or was closed. */
int rpc_connection_receive(struct rpc_connection *c, struct incoming *ret, struct err *e)
	must_check;

/*
 * The same in two steps: the header, then the payload, which must follow. 1 and 0 as above; the second
 * step returns 1 or -1.
 */
int rpc_connection_receive_header(struct rpc_connection *c, struct incoming *ret, struct err *e)
	must_check;
int rpc_connection_receive_payload(struct rpc_connection *c, struct incoming *f, struct err *e)
	must_check;

/*
 * A field of type bytes that ends an answer and is wanted in a pipe: the receiving side of struct
 * outgoing_tail. It comes into the pipe without passing through our memory where the kernel can do that.
 */
struct incoming_tail {
	uint32_t field;
	int pipe;     /* its end for writing, O_NONBLOCK, empty; -1: not wanted */
	size_t piped; /* set on success: bytes of the field that are in the pipe */
};

/*
 * In place of the second step, for a response. What does not fit the pipe, or any other answer than a
 * success with that field alone, is in the payload, which is always a complete response. `t` and its
 * pipe must live until this returns or rpc_connection_drop_tail() was called by another fiber; what
 * then still comes is skipped.
 */
int rpc_connection_receive_tail(struct rpc_connection *c, struct incoming *f,
				struct incoming_tail *t, struct err *e) must_check;
void rpc_connection_drop_tail(struct rpc_connection *c, const struct incoming_tail *t);

/*
 * Sending is three steps, because a client may give out stream ids only in the order in which they
 * are sent. Every rpc_connection_begin() that returned 0 is followed by rpc_connection_end().
 *
 * A deadline or cancel that hits in the middle of a frame fails the call only: the rest of the frame
 * is kept (a tail is read from its pipe for that) and goes out in front of the next one. When the peer
 * is lost, what has left the pipe is gone, as with any write, and the rest is still there.
 */
int rpc_connection_begin(struct rpc_connection *c, struct deadline d, struct err *e) must_check;
int rpc_connection_send(struct rpc_connection *c, struct outgoing *o, struct deadline d,
			struct err *e) must_check;
void rpc_connection_end(struct rpc_connection *c);

/* Fail all that is waiting here, and all that comes later, with ERR_UNAVAILABLE. Does not wait. */
void rpc_connection_close(struct rpc_connection *c);

/* Close, wait for the senders to leave, free the io. Nobody may be receiving. Later calls fail. */
void rpc_connection_done(struct rpc_connection *c);

#endif
