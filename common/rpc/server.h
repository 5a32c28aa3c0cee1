/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_RPC_SERVER_H
#define HUSK_RPC_SERVER_H

#include <protobuf-c/protobuf-c.h>
#include <stdint.h>

#include "common/async/fiber.h"
#include "common/async/io.h"

/*
 * ttrpc server: services are tables of methods, each request runs in a fiber of its own, answers go
 * out in whatever order they come.
 *
 * What can be refused without knowing the method (no such service or method, bytes that are no
 * request, a target that is not there or not in a state for it) is refused by the dispatcher, in
 * one place and with one wording, before the handler runs.
 */

struct rpc_call {
	void *self;   /* rpc_service.self */
	void *target; /* what rpc_service.target found; NULL without one */
	struct deadline
		deadline; /* from the request's timeout_nano; DEADLINE_NEVER if it has none */
	const char *method;
	const char
		*ns; /* metadata "containerd-namespace-ttrpc", "" if absent; lives as long as req */
	struct rpc_answer *answer; /* for rpc_answer_from_pipe(); NULL if that is not possible */
};

/*
 * `req` is of the type that the .proto names for the method, `resp` an initialised message of the
 * answer's type; both belong to the dispatcher and are freed by it afterwards, so what resp points
 * to must come from malloc(). Return 0 to answer with resp, -1 to answer with the error. May wait:
 * what it reads from its target before that may be gone afterwards.
 */
typedef int (*rpc_handler_fn)(const struct rpc_call *call, const void *req, void *resp,
			      struct err *e);

/*
 * From within a handler, instead of leaving the answer to the dispatcher: send resp, with the `len`
 * bytes that a pipe holds as its field `field` (of type bytes, empty in resp, the last of those that
 * are set). They go from the pipe to the connection without being copied where the kernel can do that;
 * struct outgoing_tail says what pipe is fit for it. Waits for the connection; returns when they have
 * left the pipe. The descriptor stays the handler's.
 *
 * -1: too much for one answer, nothing was sent; or the peer is lost, and what had not left the pipe
 * is still there. What the handler returns goes nowhere once something was sent.
 */
int rpc_answer_from_pipe(const struct rpc_call *call, ProtobufCMessage *resp, uint32_t field,
			 int pipe, size_t len, struct err *e) must_check;

struct rpc_method {
	const char *name;
	rpc_handler_fn handle;
	uint32_t
		when; /* states of the target in which it makes sense; 0: the target is not looked up */
};

#define RPC_ABSENT 1u /* a state like any other: there is no target of that name (yet) */

/*
 * In `when` beside the states (alone, the target is still not looked up): when the connection is lost,
 * the handler's current wait ends with ERR_CANCELLED. For methods that only wait or read, such as
 * Wait: nobody would hear the answer, and what a read takes off a stream would be lost.
 */
#define RPC_ENDS_WITH_PEER (1u << 31)

struct rpc_service {
	const char *name; /* on the wire: "containerd.task.v3.Task"; NULL: desc->name */
	const ProtobufCServiceDescriptor *desc; /* generated: method names and message types */
	const struct rpc_method *methods;
	size_t n_methods;
	void *self;

	/*
	 * What the request is about, and the one bit of `when` it is in, with a word for that state
	 * ("running"). An id that is not valid: return 0 and set *e. Must not wait. NULL where no
	 * method uses `when`.
	 */
	uint32_t (*target)(void *self, const struct rpc_method *method, const void *req,
			   void **ret_target, const char **ret_state_name, struct err *e);
};

/* Each method of the descriptor has exactly one row: -1 and "<service>.<method> has no handler". */
int rpc_service_check(const struct rpc_service *s, struct err *e) must_check;

/*
 * Serve one connection until its peer closes it or breaks the protocol; takes the io over. Requests
 * that still run then finish without an answer. Returns after the last of them. `services` must
 * outlive that.
 */
void rpc_serve(struct io *conn, const struct rpc_service *const *services, size_t n_services);

/* Call a handler as a peer would, packed bytes in and out. ret_resp: for free(). For tests, fuzzing. */
int rpc_dispatch(const struct rpc_service *const *services, size_t n_services, const char *service,
		 const char *method, const uint8_t *payload, size_t len, uint8_t **ret_resp,
		 size_t *ret_len, struct err *e) must_check;

#endif
