/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_RPC_CLIENT_H
#define HUSK_RPC_CLIENT_H

#include <protobuf-c/protobuf-c.h>

#include "common/async/fiber.h"
#include "common/async/io.h"

/* ttrpc client: many calls at once over one connection, each from its own fiber. */
struct rpc_client;

/* Takes the io over. `peer` names the other side in errors: "agent", "containerd". */
struct rpc_client *rpc_client_new(struct io *conn, const char *peer) must_check;

/* The number of the next call's stream, odd. For tests: it takes a busy connection weeks to use all of them. */
void rpc_client_set_stream(struct rpc_client *c, uint32_t stream);

/* Calls that still wait fail with ERR_UNAVAILABLE, and have returned when this returns. NULL is fine. */
void rpc_client_free(struct rpc_client *c);

/*
 * Call `method` of `service` and wait for the answer. `req` is a message of the method's input
 * type. ret_resp (may be NULL) gets a message of its output type, for
 * protobuf_c_message_free_unpacked(). `ns`: sent as containerd-namespace-ttrpc metadata; NULL: none.
 *
 * An error of the handler comes back with its code and text; a lost connection is ERR_UNAVAILABLE,
 * the deadline ERR_TIMEOUT ("no answer in …"). A late answer is dropped.
 */
int rpc_call(struct rpc_client *c, const ProtobufCServiceDescriptor *service, const char *method,
	     const char *ns, const void *req, void *ret_resp, struct deadline d, struct err *e)
	must_check;

/*
 * As rpc_call(), but a large field of type bytes that is all the answer has goes into a pipe, as far as
 * it fits; the rest, and every other answer, is in *ret_resp. `pipe`: its end for writing, O_NONBLOCK,
 * empty. *ret_piped: bytes that are in the pipe now, which come before those in *ret_resp. After -1
 * the pipe may hold anything.
 */
int rpc_call_to_pipe(struct rpc_client *c, const ProtobufCServiceDescriptor *service,
		     const char *method, const void *req, void *ret_resp, uint32_t field, int pipe,
		     size_t *ret_piped, struct deadline d, struct err *e) must_check;

/*
 * Whether what goes into a pipe is waited for a millisecond at a time where the stream is empty and much is
 * still to come: for a peer that sends it page by page and would wake us for each, on a processor that
 * it needs itself for the next. Other fibers run meanwhile. Off at first.
 */
void rpc_client_gather(struct rpc_client *c, bool on);

bool rpc_client_closed(const struct rpc_client *c);

#endif
