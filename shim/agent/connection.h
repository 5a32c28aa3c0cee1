/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_SHIM_AGENT_CONNECTION_H
#define HUSK_SHIM_AGENT_CONNECTION_H

#include "shim/agent/agent.h"

/* What the typed calls in this directory share; for the others there is agent.h. */
struct agent {
	struct rpc_client *client; /* NULL once the VM is gone */
	bool over_port;            /* of QEMU's, which sends page by page */
	char **features;           /* of GetGuestDetails; NULL: not asked or none */
	uint64_t memory_block;     /* of GetGuestDetails; 0: not asked, or nothing sensible */
	unsigned n_calls;          /* fibers inside a call: agent_free() waits for them */
	struct cond left;          /* n_calls is 0 */
};

/* Speak over this connection; takes it over. agent_connect() does this after connecting. */
struct agent *agent_over(struct io *conn) must_check;

/*
 * Call a method of grpc.AgentService; errors begin "agent: <method>". ret_resp (may be NULL) gets
 * the answer, for protobuf_c_message_free_unpacked().
 */
int agent_call(struct agent *a, const char *method, const void *req, void *ret_resp,
	       struct deadline d, struct err *e) must_check;

/* The same without a deadline, by rpc_call_to_pipe(); `pipe` may be -1. */
int agent_call_to_pipe(struct agent *a, const char *method, const void *req, void *ret_resp,
		       uint32_t field, int pipe, size_t *ret_piped, struct err *e) must_check;

/* The same for a method of another service; proto/husk.proto has husk's own. */
int agent_service_call(struct agent *a, const ProtobufCServiceDescriptor *service,
		       const char *method, const void *req, void *ret_resp, struct deadline d,
		       struct err *e) must_check;

#endif
