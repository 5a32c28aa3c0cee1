/* SPDX-License-Identifier: Apache-2.0 */
/* A scripted agent; see agent_peer.h. */
#include "tests/unit/shim/agent_peer.h"

#include "tests/lib/test.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/mem.h"
#include "shim/agent/connection.h"

uint8_t peer_pattern(uint64_t i)
{
	return (uint8_t)((i * 2654435761u) >> 13 ^ i);
}

static int read_stream(struct peer *p, struct peer_stream *s, uint32_t len,
		       Grpc__ReadStreamResponse *resp, struct err *e)
{
	uint64_t number = p->reads++, n;

	/* What a request gets is settled when it comes, whenever its answer leaves. */
	while (s->hold && s->sent == s->total)
		if (cond_wait(&p->changed, DEADLINE_NEVER, e) < 0)
			return -1;
	n = s->total - s->sent;
	if (n > len)
		n = len;
	if (p->most && n > p->most)
		n = p->most;
	resp->data.data = xmalloc(n);
	resp->data.len = n;
	for (uint64_t i = 0; i < n; i++)
		resp->data.data[i] = peer_pattern(s->sent + i);
	s->sent += n;
	if (p->reorder && number % 3 == 0)
		return fiber_sleep_ms(2, e);
	return 0;
}

static int on_read_stdout(const struct rpc_call *call, const void *req, void *resp, struct err *e)
{
	const Grpc__ReadStreamRequest *r = req;
	struct peer *p = call->self;

	return read_stream(p, &p->out, r->len, resp, e);
}

static int on_read_stderr(const struct rpc_call *call, const void *req, void *resp, struct err *e)
{
	const Grpc__ReadStreamRequest *r = req;
	struct peer *p = call->self;

	return read_stream(p, &p->err, r->len, resp, e);
}

static int on_write_stdin(const struct rpc_call *call, const void *req, void *resp, struct err *e)
{
	const Grpc__WriteStreamRequest *r = req;
	Grpc__WriteStreamResponse *answer = resp;
	struct peer *p = call->self;

	(void)e;
	for (size_t i = 0; i < r->data.len; i++)
		p->got_wrong |= r->data.data[i] != peer_pattern(p->got + i);
	p->got += r->data.len;
	answer->len = (uint32_t)r->data.len;
	cond_wake_all(&p->changed);
	return 0;
}

static int on_close_stdin(const struct rpc_call *call, const void *req, void *resp, struct err *e)
{
	struct peer *p = call->self;

	(void)req;
	(void)resp;
	(void)e;
	p->closes++;
	p->got_at_close = p->got;
	cond_wake_all(&p->changed);
	return 0;
}

static int on_get_guest_details(const struct rpc_call *call, const void *req, void *resp,
				struct err *e)
{
	const struct peer *p = call->self;
	Grpc__GuestDetailsResponse *answer = resp;

	(void)req;
	(void)e;
	if (!p->ordered)
		return 0;
	answer->agent_details = xmalloc(sizeof(*answer->agent_details));
	grpc__agent_details__init(answer->agent_details);
	strv_add(&answer->agent_details->extra_features, AGENT_FEATURE_ORDERED_STREAMS);
	answer->agent_details->n_extra_features = 1;
	return 0;
}

static void serve(void *arg)
{
	static const struct rpc_method methods[] = {
		{ "ReadStdout", on_read_stdout, 0 },
		{ "ReadStderr", on_read_stderr, 0 },
		{ "WriteStdin", on_write_stdin, 0 },
		{ "CloseStdin", on_close_stdin, 0 },
		{ "GetGuestDetails", on_get_guest_details, 0 },
	};
	struct peer *p = arg;
	const struct rpc_service service = {
		.desc = &grpc__agent_service__descriptor,
		.methods = methods,
		.n_methods = ARRAY_LEN(methods),
		.self = p,
	};
	const struct rpc_service *const services[] = { &service };
	struct err e = ERR_INIT;
	struct io *conn = io_consume(p->fd, &e);

	if (!conn)
		abort();
	rpc_serve(conn, services, 1);
}

struct agent *peer_start(struct peer *p)
{
	struct err e = ERR_INIT;
	struct agent *a;
	struct io *conn;
	int fd[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd) < 0)
		abort();
	p->fd = fd[1];
	fiber_group_start(&p->serving, "scripted agent", serve, p);
	conn = io_consume(fd[0], &e);
	if (!conn)
		abort();
	a = agent_over(conn);
	if (agent_get_guest_details(a, deadline_in_ms(PATIENCE_MS), &e) < 0)
		abort();
	return a;
}

void peer_wait(struct peer *p)
{
	p->out.hold = p->err.hold = false;
	cond_wake_all(&p->changed);
	fiber_group_wait(&p->serving);
}
