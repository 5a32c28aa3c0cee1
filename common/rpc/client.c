/* SPDX-License-Identifier: Apache-2.0 */
/* ttrpc calls, many at once over one connection; see client.h. */
#include "common/rpc/client.h"

#include <assert.h>
#include <string.h>
#include <uthash.h>

#include "common/base/mem.h"
#include "common/rpc/connection.h"
#include "common/rpc/message.h"
#include "common/rpc/status.h"
#include "proto/envelope.h"
#include "ttrpc.pb-c.h"

struct rpc_client {
	struct rpc_connection conn;
	const char *peer;
	struct pending *pending; /* by stream */
	uint32_t next_stream;
	unsigned n_calls;          /* fibers inside rpc_call() */
	struct cond left;          /* n_calls is 0 */
	struct fiber_group reader; /* one member */
	bool closed;
	struct err why; /* closed: the reason */
};

/* A call that waits for its answer; lives on the caller's stack. */
struct pending {
	uint32_t stream;
	bool answered;
	struct incoming answer;
	struct incoming_tail tail;
	struct cond changed; /* answered, or the client is closed */
	UT_hash_handle hh;
};

static void close_with(struct rpc_client *c, const struct err *why)
{
	struct pending *p, *next;

	if (c->closed)
		return;
	c->closed = true;
	c->why = *why;
	rpc_connection_close(&c->conn);
	HASH_ITER(hh, c->pending, p, next)
		cond_wake_all(&p->changed);
}

/* Whose answer it is; NULL: nobody waits for it (any more). */
static struct pending *find_pending(struct rpc_client *c, const struct incoming *f)
{
	struct pending *p = NULL;

	if (f->type == FRAME_RESPONSE)
		HASH_FIND(hh, c->pending, &f->stream, sizeof(f->stream), p);
	return p;
}

/* Takes the payload over. */
static void deliver(struct rpc_client *c, struct incoming *f)
{
	struct pending *p = find_pending(c, f);

	if (!p) {
		free(f->payload);
		return;
	}
	HASH_DEL(c->pending, p);
	p->answer = *f;
	p->answered = true;
	cond_wake_all(&p->changed);
}

static void reader_fiber(void *arg)
{
	struct rpc_client *c = arg;
	struct err e = ERR_INIT;
	struct incoming f;
	int r;

	while ((r = rpc_connection_receive_header(&c->conn, &f, &e)) > 0) {
		struct pending *p = find_pending(c, &f);

		if (p && p->tail.pipe >= 0)
			r = rpc_connection_receive_tail(&c->conn, &f, &p->tail, &e);
		else
			r = rpc_connection_receive_payload(&c->conn, &f, &e);
		if (r < 0)
			break;
		deliver(c, &f);
	}
	if (r == 0)
		err_set(&e, ERR_UNAVAILABLE, "closed by the peer");
	close_with(c, &e);
}

struct rpc_client *rpc_client_new(struct io *conn, const char *peer)
{
	struct rpc_client *c = xnew(struct rpc_client);

	rpc_connection_init(&c->conn, conn);
	c->peer = peer;
	c->next_stream = 1;
	fiber_group_start(&c->reader, "rpc client", reader_fiber, c);
	return c;
}

void rpc_client_free(struct rpc_client *c)
{
	struct err e = ERR_INIT;

	if (!c)
		return;
	err_set(&e, ERR_UNAVAILABLE, "closed");
	close_with(c, &e);
	while (c->n_calls > 0)
		(void)cond_wait_uncancellable(&c->left, DEADLINE_NEVER);
	fiber_group_wait(&c->reader);
	rpc_connection_done(&c->conn);
	free(c);
}

static void leave(struct rpc_client *c)
{
	if (--c->n_calls == 0)
		cond_wake_all(&c->left);
}

static int lost(const struct rpc_client *c, struct err *e)
{
	return err_set(e, ERR_UNAVAILABLE, "connection to %s lost: %s", c->peer, c->why.text);
}

static int no_answer(const struct rpc_client *c, int64_t limit_ms, struct err *e)
{
	if (limit_ms % 1000 == 0)
		return err_set(e, ERR_TIMEOUT, "no answer from %s in %lld s", c->peer,
			       (long long)(limit_ms / 1000));
	return err_set(e, ERR_TIMEOUT, "no answer from %s in %lld ms", c->peer,
		       (long long)limit_ms);
}

static int64_t timeout_ns_of(struct deadline d)
{
	int64_t left = deadline_left_ms(d);

	return left > INT64_MAX / 1000000 ? 0 : left * 1000000;
}

static int pack_call(struct outgoing *o, const ProtobufCServiceDescriptor *service,
		     const char *method, const char *ns, const ProtobufCMessage *req,
		     struct deadline d, struct err *e)
{
	const char *bad = message_bad_string(req);
	Ttrpc__KeyValue namespace, *metadata = &namespace;
	Ttrpc__Request request;

	/* Unlike an answer's text, a path or an argument must not be changed in secret. */
	if (bad)
		return err_set(e, ERR_INVALID, "field '%s' is not valid UTF-8", bad);
	ttrpc__request__init(&request);
	request.service = (char *)(uintptr_t)service->name; /* only read */
	request.method = (char *)(uintptr_t)method;
	request.timeout_nano = timeout_ns_of(d);
	if (ns) {
		ttrpc__key_value__init(&namespace);
		namespace.key = (char *)(uintptr_t)ENVELOPE_NAMESPACE_KEY;
		namespace.value = (char *)(uintptr_t)ns;
		request.n_metadata = 1;
		request.metadata = &metadata;
	}
	return outgoing_pack(o, FRAME_REQUEST, &request.base, ENVELOPE_REQUEST_PAYLOAD, req, e);
}

void rpc_client_set_stream(struct rpc_client *c, uint32_t stream)
{
	c->next_stream = stream;
}

/* Odd, one after the other, round and round: a Wait may keep its own for as long as it takes. */
static uint32_t take_stream(struct rpc_client *c)
{
	struct pending *taken;
	uint32_t stream;

	do {
		stream = c->next_stream;
		c->next_stream += 2;
		HASH_FIND(hh, c->pending, &stream, sizeof(stream), taken);
	} while (taken);
	return stream;
}

/* Send it and wait; p->answer is set on success. */
static int exchange(struct rpc_client *c, struct outgoing *o, struct pending *p, struct deadline d,
		    struct err *e)
{
	int r;

	if (rpc_connection_begin(&c->conn, d, e) < 0)
		return -1;
	p->stream = take_stream(c);
	outgoing_set_stream(o, p->stream);
	HASH_ADD(hh, c->pending, stream, sizeof(p->stream), p);

	r = rpc_connection_send(&c->conn, o, d, e);
	rpc_connection_end(&c->conn);
	while (r == 0 && !p->answered && !c->closed)
		r = cond_wait(&p->changed, d, e);
	if (p->answered) {
		if (r < 0 && e->code == ERR_CANCELLED)
			fiber_cancel_again();
		return 0;
	}
	HASH_DEL(c->pending, p);
	rpc_connection_drop_tail(&c->conn, &p->tail);
	return r < 0 ? -1 : err_set(e, ERR_UNAVAILABLE, "no answer came");
}

static int read_answer(const struct incoming *f, const ProtobufCMethodDescriptor *method,
		       void *ret_resp, struct err *e)
{
	struct envelope_response r;
	ProtobufCMessage *resp;

	if (f->too_large)
		return err_set(e, ERR_EXHAUSTED, "answer of %u bytes, the limit is %u", f->len,
			       FRAME_PAYLOAD_MAX);
	if (!envelope_read_response((struct slice){ f->payload, f->len }, &r))
		return err_set(e, ERR_INTERNAL, "answer of %u bytes that are no response", f->len);
	if (r.code != RPC_OK)
		return rpc_status_to_err(r.code, r.message, e);
	if (!ret_resp)
		return 0;
	resp = message_unpack(method->output, r.payload);
	if (!resp)
		return err_set(e, ERR_INTERNAL, "answer of %zu bytes that are no %s", r.payload.len,
			       method->output->short_name);
	memcpy(ret_resp, &resp, sizeof(resp));
	return 0;
}

static int call(struct rpc_client *c, const ProtobufCServiceDescriptor *service, const char *method,
		const char *ns, const void *req, void *ret_resp, struct incoming_tail *tail,
		struct deadline d, struct err *e)
{
	const ProtobufCMethodDescriptor *desc =
		protobuf_c_service_descriptor_get_method_by_name(service, method);
	int64_t limit_ms = deadline_left_ms(d);
	auto_outgoing struct outgoing o = OUTGOING_INIT;
	struct pending p = { .tail = *tail };
	struct err why = ERR_INIT;
	int r;

	assert(desc && desc->input == ((const ProtobufCMessage *)req)->descriptor);
	if (pack_call(&o, service, method, ns, req, d, e) < 0)
		return -1;
	if (c->closed)
		return lost(c, e);
	if (deadline_passed(d))
		return err_set(e, ERR_TIMEOUT, "no time left to ask %s", c->peer);

	c->n_calls++;
	if (exchange(c, &o, &p, d, &why) == 0) {
		r = read_answer(&p.answer, desc, ret_resp, e);
	} else if (c->closed) {
		r = lost(c, e);
	} else if (why.code == ERR_TIMEOUT) {
		r = no_answer(c, limit_ms, e);
	} else {
		*e = why;
		r = err_wrap(e, "connection to %s", c->peer);
	}
	leave(c);
	free(p.answer.payload);
	tail->piped = p.tail.piped;
	return r;
}

int rpc_call(struct rpc_client *c, const ProtobufCServiceDescriptor *service, const char *method,
	     const char *ns, const void *req, void *ret_resp, struct deadline d, struct err *e)
{
	struct incoming_tail none = { .pipe = -1 };

	return call(c, service, method, ns, req, ret_resp, &none, d, e);
}

int rpc_call_to_pipe(struct rpc_client *c, const ProtobufCServiceDescriptor *service,
		     const char *method, const void *req, void *ret_resp, uint32_t field, int pipe,
		     size_t *ret_piped, struct deadline d, struct err *e)
{
	struct incoming_tail tail = { .field = field, .pipe = pipe };
	int r = call(c, service, method, NULL, req, ret_resp, &tail, d, e);

	*ret_piped = tail.piped;
	return r;
}

void rpc_client_gather(struct rpc_client *c, bool on)
{
	c->conn.gathers = on;
}

bool rpc_client_closed(const struct rpc_client *c)
{
	return c->closed;
}
