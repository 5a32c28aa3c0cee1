/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_RPC_DISPATCH_H
#define HUSK_RPC_DISPATCH_H

#include "common/rpc/server.h"
#include "proto/wire.h"

/*
 * From the names in a request to the handler, in three steps, so that the server can drop the
 * request's bytes before the handler runs, which may be for days. Between server.c and dispatch.c.
 */
struct rpc_route {
	const struct rpc_service *service;
	const struct rpc_method *row;
	const ProtobufCMethodDescriptor *method;
};

/* ERR_UNSUPPORTED for a service or method that is not there. */
int rpc_route_find(const struct rpc_service *const *services, size_t n_services,
		   struct slice service, struct slice method, struct rpc_route *ret, struct err *e)
	must_check;

/* NULL: ERR_INVALID. For protobuf_c_message_free_unpacked(). */
ProtobufCMessage *rpc_route_unpack(const struct rpc_route *r, struct slice payload, struct err *e)
	must_check;

/* Look up the target, check its state, run the handler. NULL: refused or failed. */
ProtobufCMessage *rpc_route_run(const struct rpc_route *r, const ProtobufCMessage *req,
				const char *ns, struct deadline d, struct rpc_answer *answer,
				struct err *e) must_check;

#endif
