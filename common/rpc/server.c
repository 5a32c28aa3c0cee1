/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One ttrpc connection, server side; see server.h. What it does with bad input is what the reference
 * server (containerd/ttrpc server.go) does: a bad frame is answered on its own stream and the
 * connection stays; only a stream that is cut in the middle of a frame ends it.
 */
#include "common/rpc/server.h"

#include <string.h>
#include <utlist.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/utf8.h"
#include "common/rpc/connection.h"
#include "common/rpc/dispatch.h"
#include "common/rpc/message.h"
#include "common/rpc/status.h"
#include "proto/envelope.h"
#include "ttrpc.pb-c.h"

/* What one connection may have running; beyond it requests are refused, not queued. */
#define REQUESTS_MAX      1024u
#define REQUEST_BYTES_MAX (64u << 20)
#define NAMESPACE_MAX     255u /* bytes of the metadata value that are passed on */

struct server {
	struct rpc_connection conn;
	const struct rpc_service *const *services;
	size_t n_services;
	struct request *requests; /* running */
	unsigned n_requests;
	size_t request_bytes;
	uint32_t last_stream;
	struct fiber_group staying; /* handlers that finish when the peer is gone */
	struct fiber_group ending;  /* those that are cancelled then */
};

struct rpc_answer {
	struct server *server;
	uint32_t stream;
	bool sent; /* by the handler, or tried */
};

struct request {
	struct server *server;
	struct incoming frame;
	struct envelope_request envelope; /* points into the frame's payload */
	struct rpc_route route;
	struct request *prev, *next;
};

static struct slice frame_slice(const struct incoming *f)
{
	return (struct slice){ f->payload, f->payload ? f->len : 0 };
}

static int try_send(struct server *s, uint32_t stream, struct outgoing *o, struct err *e)
{
	int r;

	outgoing_set_stream(o, stream);
	if (rpc_connection_begin(&s->conn, DEADLINE_NEVER, e) < 0)
		return -1;
	r = rpc_connection_send(&s->conn, o, DEADLINE_NEVER, e);
	rpc_connection_end(&s->conn);
	return r;
}

/* An answer that cannot be delivered is dropped: whoever asked has gone. */
static void send_answer(struct server *s, uint32_t stream, struct outgoing *o)
{
	struct err ignored = ERR_INIT;

	if (try_send(s, stream, o, &ignored) < 0)
		log_debug("rpc: answer on stream %u dropped: %s", stream, ignored.text);
}

static void answer_error(struct server *s, uint32_t stream, struct err *why)
{
	auto_outgoing struct outgoing o = OUTGOING_INIT;
	Ttrpc__Response response;
	Google__Rpc__Status status;
	struct err e = ERR_INIT;

	utf8_clean(why->text);
	google__rpc__status__init(&status);
	status.code = (int32_t)rpc_status_of(why->code);
	status.message = why->text;
	ttrpc__response__init(&response);
	response.status = &status;
	if (outgoing_pack(&o, FRAME_RESPONSE, &response.base, 0, NULL, &e) < 0)
		log_debug("rpc: %s", e.text);
	else
		send_answer(s, stream, &o);
}

int rpc_answer_from_pipe(const struct rpc_call *call, ProtobufCMessage *resp, uint32_t field,
			 int pipe, size_t len, struct err *e)
{
	const struct outgoing_tail tail = { .field = field, .pipe = pipe, .len = len };
	auto_outgoing struct outgoing o = OUTGOING_INIT;
	Ttrpc__Response response;

	ttrpc__response__init(&response);
	message_clean_strings(resp);
	if (outgoing_pack_with_tail(&o, FRAME_RESPONSE, &response.base, ENVELOPE_RESPONSE_PAYLOAD,
				    resp, tail, e) < 0)
		return err_wrap(e, "answer");
	call->answer->sent = true;
	return try_send(call->answer->server, call->answer->stream, &o, e);
}

static int answer_with(struct server *s, uint32_t stream, ProtobufCMessage *resp, struct err *e)
{
	auto_outgoing struct outgoing o = OUTGOING_INIT;
	Ttrpc__Response response;

	ttrpc__response__init(&response);
	message_clean_strings(resp);
	if (outgoing_pack(&o, FRAME_RESPONSE, &response.base, ENVELOPE_RESPONSE_PAYLOAD, resp, e) <
	    0)
		return err_wrap(e, "answer");
	send_answer(s, stream, &o);
	return 0;
}

static struct deadline deadline_of(int64_t timeout_ns)
{
	if (timeout_ns == 0)
		return DEADLINE_NEVER;
	if (timeout_ns < 0)
		return deadline_in_ms(0);
	return deadline_in_ms(timeout_ns / 1000000 + (timeout_ns % 1000000 != 0));
}

static int run_request(struct request *r, struct err *e)
{
	struct slice ns_bytes = r->envelope.ns;
	size_t ns_len = ns_bytes.len < NAMESPACE_MAX ? ns_bytes.len : NAMESPACE_MAX;
	auto_free char *ns = ns_len ? xstrndup((const char *)ns_bytes.data, ns_len) : xstrdup("");
	struct rpc_answer answer = { .server = r->server, .stream = r->frame.stream };
	struct deadline d = deadline_of(r->envelope.timeout_ns);
	ProtobufCMessage *req = rpc_route_unpack(&r->route, r->envelope.payload, e);
	ProtobufCMessage *resp;
	int failed = 0;

	free(take_ptr(r->frame.payload)); /* the handler may run for days */
	if (!req)
		return -1;
	resp = rpc_route_run(&r->route, req, ns, d, &answer, e);
	protobuf_c_message_free_unpacked(req, NULL);
	if (!resp)
		return answer.sent ? 0 : -1;
	if (!answer.sent)
		failed = answer_with(r->server, r->frame.stream, resp, e);
	protobuf_c_message_free_unpacked(resp, NULL);
	return failed;
}

static void request_fiber(void *arg)
{
	struct request *r = arg;
	struct server *s = r->server;
	struct err e = ERR_INIT;

	if (run_request(r, &e) < 0) {
		log_debug("rpc: %s failed: %s", r->route.row->name, e.text);
		answer_error(s, r->frame.stream, &e);
	}
	s->n_requests--;
	s->request_bytes -= r->frame.len;
	DL_DELETE(s->requests, r);
	free(r);
}

/* Takes the frame's payload over if it succeeds. */
static int start_request(struct server *s, struct incoming *f, struct err *e)
{
	struct envelope_request envelope;
	struct rpc_route route;
	struct request *r;

	if (!envelope_read_request(frame_slice(f), &envelope))
		return err_set(e, ERR_INVALID, "%u bytes that are no request", f->len);
	if (rpc_route_find(s->services, s->n_services, envelope.service, envelope.method, &route,
			   e) < 0)
		return -1;
	if (s->n_requests >= REQUESTS_MAX || s->request_bytes + f->len > REQUEST_BYTES_MAX)
		return err_set(e, ERR_EXHAUSTED, "%u requests with %zu bytes are running already",
			       s->n_requests, s->request_bytes);

	r = xnew(struct request);
	*r = (struct request){ .server = s, .frame = *f, .envelope = envelope, .route = route };
	f->payload = NULL;
	s->n_requests++;
	s->request_bytes += f->len;
	DL_APPEND(s->requests, r);
	fiber_group_start(route.row->when & RPC_ENDS_WITH_PEER ? &s->ending : &s->staying,
			  "rpc request", request_fiber, r);
	return 0;
}

static bool stream_runs(const struct server *s, uint32_t stream)
{
	const struct request *r;

	DL_FOREACH(s->requests, r)
		if (r->frame.stream == stream)
			return true;
	return false;
}

static int on_data(const struct server *s, const struct incoming *f, struct err *e)
{
	if (!stream_runs(s, f->stream))
		return err_set(e, ERR_INVALID, "stream %u is no longer active", f->stream);
	/* The end of input that a client may announce changes nothing: there was none to come. */
	if (f->flags & FRAME_NO_DATA)
		return 0;
	return err_set(e, ERR_INVALID, "data handling error: stream %u takes no data", f->stream);
}

/* Numbers go up, and after the last one begin again (RFC 1982): a connection may last for years. */
static bool comes_after(uint32_t stream, uint32_t last)
{
	return (int32_t)(stream - last) > 0;
}

/* 0, or -1 with what to answer on the frame's stream. */
static int on_frame(struct server *s, struct incoming *f, struct err *e)
{
	if (f->too_large)
		return err_set(e, ERR_EXHAUSTED, "message of %u bytes, the limit is %u", f->len,
			       FRAME_PAYLOAD_MAX);
	if (f->type != FRAME_REQUEST && f->type != FRAME_DATA)
		return 0;
	if (f->stream % 2 == 0)
		return err_set(e, ERR_INVALID, "stream %u: a client's streams have odd numbers",
			       f->stream);
	if (f->type == FRAME_DATA)
		return on_data(s, f, e);
	if (!comes_after(f->stream, s->last_stream) || stream_runs(s, f->stream))
		return err_set(e, ERR_INVALID,
			       "stream %u after %u: a stream is used once and numbers go up",
			       f->stream, s->last_stream);
	s->last_stream = f->stream;
	return start_request(s, f, e);
}

void rpc_serve(struct io *conn, const struct rpc_service *const *services, size_t n_services)
{
	struct server s = {
		.services = services,
		.n_services = n_services,
		.staying = FIBER_GROUP_INIT,
		.ending = FIBER_GROUP_INIT,
	};
	struct err e = ERR_INIT;
	struct incoming f;
	int r;

	rpc_connection_init(&s.conn, conn);
	while ((r = rpc_connection_receive(&s.conn, &f, &e)) > 0) {
		/* Refusals are sent from here: a peer that keeps causing them waits for itself. */
		if (on_frame(&s, &f, &e) < 0)
			answer_error(&s, f.stream, &e);
		free(f.payload);
	}
	if (r < 0)
		log_debug("rpc: connection ends: %s", e.text);

	fiber_group_cancel(&s.ending);
	rpc_connection_done(&s.conn);
	fiber_group_wait(&s.ending);
	fiber_group_wait(&s.staying);
}
