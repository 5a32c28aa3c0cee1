/* SPDX-License-Identifier: Apache-2.0 */
/* Which handler a request is for, and whether it may run now; see server.h and dispatch.h. */
#include "common/rpc/dispatch.h"

#include <stdio.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/rpc/message.h"

#define NAME_SHOWN_MAX 128 /* bytes of a peer's unknown name that an error repeats */

static const char *wire_name(const struct rpc_service *s)
{
	return s->name ? s->name : s->desc->name;
}

static int shown_len(struct slice s)
{
	return s.len < NAME_SHOWN_MAX ? (int)s.len : NAME_SHOWN_MAX;
}

static const struct rpc_method *row_find(const struct rpc_service *s, const char *name)
{
	for (size_t i = 0; i < s->n_methods; i++)
		if (strcmp(s->methods[i].name, name) == 0)
			return &s->methods[i];
	return NULL;
}

int rpc_service_check(const struct rpc_service *s, struct err *e)
{
	for (unsigned i = 0; i < s->desc->n_methods; i++)
		if (!row_find(s, s->desc->methods[i].name))
			return err_set(e, ERR_INTERNAL, "%s.%s has no handler", wire_name(s),
				       s->desc->methods[i].name);
	for (size_t i = 0; i < s->n_methods; i++) {
		const struct rpc_method *m = &s->methods[i];

		if (!protobuf_c_service_descriptor_get_method_by_name(s->desc, m->name))
			return err_set(e, ERR_INTERNAL, "%s has no method '%s'", wire_name(s),
				       m->name);
		if (row_find(s, m->name) != m)
			return err_set(e, ERR_INTERNAL, "%s.%s has two handlers", wire_name(s),
				       m->name);
		if ((m->when & ~RPC_ENDS_WITH_PEER) != 0 && !s->target)
			return err_set(e, ERR_INTERNAL, "%s.%s has states but no way to ask",
				       wire_name(s), m->name);
	}
	return 0;
}

int rpc_route_find(const struct rpc_service *const *services, size_t n_services,
		   struct slice service, struct slice method, struct rpc_route *ret, struct err *e)
{
	const struct rpc_service *s = NULL;

	for (size_t i = 0; i < n_services && !s; i++)
		if (slice_is(service, wire_name(services[i])))
			s = services[i];
	if (!s)
		return err_set(e, ERR_UNSUPPORTED, "there is no service '%.*s'", shown_len(service),
			       service.len ? (const char *)service.data : "");

	for (size_t i = 0; i < s->n_methods; i++) {
		const struct rpc_method *row = &s->methods[i];

		if (!slice_is(method, row->name))
			continue;
		*ret = (struct rpc_route){
			.service = s,
			.row = row,
			.method = protobuf_c_service_descriptor_get_method_by_name(s->desc,
										   row->name),
		};
		if (ret->method)
			return 0;
	}
	return err_set(e, ERR_UNSUPPORTED, "%s has no method '%.*s'", wire_name(s),
		       shown_len(method), method.len ? (const char *)method.data : "");
}

ProtobufCMessage *rpc_route_unpack(const struct rpc_route *r, struct slice payload, struct err *e)
{
	ProtobufCMessage *req = message_unpack(r->method->input, payload);

	if (!req)
		err_set(e, ERR_INVALID, "%s: %zu bytes that are no %s", r->row->name, payload.len,
			r->method->input->short_name);
	return req;
}

#define SUBJECT_MAX 256 /* "'<id>' exec '<id>'", ids are at most 76 bytes */

/* What the request is about, in words: the ids that its type has. */
static void describe(const ProtobufCMessage *req, char out[static SUBJECT_MAX])
{
	static const char *const fields[] = { "id", "container_id", "sandbox_id" };
	const char *exec_id = message_string(req, "exec_id");
	const char *id = "";

	for (size_t i = 0; i < ARRAY_LEN(fields) && !*id; i++)
		id = message_string(req, fields[i]);
	if (*exec_id)
		(void)snprintf(out, SUBJECT_MAX, "'%.100s' exec '%.100s'", id, exec_id);
	else
		(void)snprintf(out, SUBJECT_MAX, "'%.100s'", id);
}

/* 0: it may run, with *ret_target set. */
static int check_target(const struct rpc_route *r, const ProtobufCMessage *req, void **ret_target,
			struct err *e)
{
	uint32_t when = r->row->when & ~RPC_ENDS_WITH_PEER;
	const struct rpc_service *s = r->service;
	const char *state_name = "in this state";
	char subject[SUBJECT_MAX];
	uint32_t state;

	if (when == 0)
		return 0;
	state = s->target(s->self, r->row, req, ret_target, &state_name, e);
	if (state == 0)
		return err_wrap(e, "%s", r->row->name);
	if (when & state)
		return 0;

	describe(req, subject);
	if (state == RPC_ABSENT)
		return err_set(e, ERR_NOT_FOUND, "%s: %s not found", r->row->name, subject);
	if (when == RPC_ABSENT)
		return err_set(e, ERR_EXISTS, "%s: %s already exists", r->row->name, subject);
	return err_set(e, ERR_STATE, "%s: %s: not possible while %s", r->row->name, subject,
		       state_name);
}

ProtobufCMessage *rpc_route_run(const struct rpc_route *r, const ProtobufCMessage *req,
				const char *ns, struct deadline d, struct rpc_answer *answer,
				struct err *e)
{
	struct rpc_call call = {
		.self = r->service->self,
		.deadline = d,
		.method = r->row->name,
		.ns = ns,
		.answer = answer,
	};
	ProtobufCMessage *resp;

	if (check_target(r, req, &call.target, e) < 0)
		return NULL;
	resp = message_new(r->method->output);
	if (r->row->handle(&call, req, resp, e) < 0) {
		protobuf_c_message_free_unpacked(resp, NULL);
		return NULL;
	}
	return resp;
}

int rpc_dispatch(const struct rpc_service *const *services, size_t n_services, const char *service,
		 const char *method, const uint8_t *payload, size_t len, uint8_t **ret_resp,
		 size_t *ret_len, struct err *e)
{
	struct slice service_name = { (const uint8_t *)service, strlen(service) };
	struct slice method_name = { (const uint8_t *)method, strlen(method) };
	ProtobufCMessage *req, *resp;
	struct rpc_route route;

	if (rpc_route_find(services, n_services, service_name, method_name, &route, e) < 0)
		return -1;
	req = rpc_route_unpack(&route, (struct slice){ payload, len }, e);
	if (!req)
		return -1;
	resp = rpc_route_run(&route, req, "", DEADLINE_NEVER, NULL, e);
	protobuf_c_message_free_unpacked(req, NULL);
	if (!resp)
		return -1;
	*ret_len = protobuf_c_message_get_packed_size(resp);
	*ret_resp = xmalloc(*ret_len + 1);
	(void)protobuf_c_message_pack(resp, *ret_resp);
	protobuf_c_message_free_unpacked(resp, NULL);
	return 0;
}
