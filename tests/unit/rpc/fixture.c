/* SPDX-License-Identifier: Apache-2.0 */
/* A service for the tests of server, client and dispatcher; see fixture.h. */
#include "tests/unit/rpc/fixture.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "agent.pb-c.h"
#include "common/base/mem.h"

struct fixture fixture;

void fixture_reset(void)
{
	memset(&fixture, 0, sizeof(fixture));
}

void fixture_release(void)
{
	fixture.released = true;
	cond_wake_all(&fixture.release);
}

static int on_write_stdin(const struct rpc_call *call, const void *req, void *resp, struct err *e)
{
	const Grpc__WriteStreamRequest *in = req;
	Grpc__WriteStreamResponse *out = resp;

	(void)call;
	(void)e;
	out->len = (uint32_t)in->data.len;
	return 0;
}

static int on_read_stdout(const struct rpc_call *call, const void *req, void *resp, struct err *e)
{
	const Grpc__ReadStreamRequest *in = req;
	Grpc__ReadStreamResponse *out = resp;

	(void)call;
	(void)e;
	out->data.len = in->len;
	out->data.data = xmalloc(in->len + 1);
	for (uint32_t i = 0; i < in->len; i++)
		out->data.data[i] = (uint8_t)(i % 251);
	return 0;
}

static int on_read_stderr(const struct rpc_call *call, const void *req, void *resp, struct err *e)
{
	const Grpc__ReadStreamRequest *in = req;
	Grpc__ReadStreamResponse *out = resp;

	return rpc_answer_from_pipe(call, &out->base, 1, fixture.pipe, in->len, e);
}

static int on_signal(const struct rpc_call *call, const void *req, void *resp, struct err *e)
{
	const Grpc__SignalProcessRequest *in = req;

	(void)call;
	(void)resp;
	return err_set(e, (enum err_code)in->signal, "%s", in->container_id);
}

static int on_oom_event(const struct rpc_call *call, const void *req, void *resp, struct err *e)
{
	Grpc__OOMEvent *out = resp;

	(void)call;
	(void)req;
	(void)e;
	out->container_id = xstrdup("caf\xe9 \xc3\xa9");
	return 0;
}

static int on_wait(const struct rpc_call *call, const void *req, void *resp, struct err *e)
{
	int r = 0;

	(void)call;
	(void)req;
	(void)resp;
	fixture.waiting++;
	while (r == 0 && !fixture.released)
		r = cond_wait(&fixture.release, DEADLINE_NEVER, e);
	fixture.waiting--;
	if (r < 0)
		fixture.cancelled++;
	return r;
}

static int on_remove(const struct rpc_call *call, const void *req, void *resp, struct err *e)
{
	const Grpc__RemoveContainerRequest *in = req;

	(void)call;
	(void)resp;
	if (fiber_sleep_ms(in->timeout, e) < 0)
		return -1;
	fixture.removed++;
	return 0;
}

static int on_resize(const struct rpc_call *call, const void *req, void *resp, struct err *e)
{
	const Grpc__TtyWinResizeRequest *in = req;

	(void)call;
	(void)resp;
	while (fixture.turn != in->row)
		if (cond_wait(&fixture.next, DEADLINE_NEVER, e) < 0)
			return -1;
	fixture.turn--;
	cond_wake_all(&fixture.next);
	return 0;
}

static int on_pause(const struct rpc_call *call, const void *req, void *resp, struct err *e)
{
	(void)req;
	(void)resp;
	(void)e;
	(void)snprintf(fixture.ns, sizeof(fixture.ns), "%s", call->ns);
	return 0;
}

static int on_resume(const struct rpc_call *call, const void *req, void *resp, struct err *e)
{
	struct cond never = COND_INIT;

	(void)req;
	(void)resp;
	return cond_wait(&never, call->deadline, e);
}

static const struct rpc_method methods[] = {
	{ "WriteStdin", on_write_stdin, 0 }, { "ReadStdout", on_read_stdout, 0 },
	{ "ReadStderr", on_read_stderr, 0 }, { "SignalProcess", on_signal, 0 },
	{ "GetOOMEvent", on_oom_event, 0 },  { "WaitProcess", on_wait, RPC_ENDS_WITH_PEER },
	{ "RemoveContainer", on_remove, 0 }, { "PauseContainer", on_pause, 0 },
	{ "ResumeContainer", on_resume, 0 }, { "TtyWinResize", on_resize, 0 },
};

static const struct rpc_service agent = {
	.desc = &grpc__agent_service__descriptor,
	.methods = methods,
	.n_methods = ARRAY_LEN(methods),
};

const struct rpc_service *const fixture_services[1] = { &agent };

void fixture_socketpair(struct io *ret[static 2])
{
	struct err e = ERR_INIT;
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		abort();
	for (int i = 0; i < 2; i++) {
		ret[i] = io_consume(fds[i], &e);
		if (!ret[i])
			abort();
	}
}

static void serve(void *arg)
{
	rpc_serve(arg, fixture_services, ARRAY_LEN(fixture_services));
}

struct io *fixture_serve(struct fiber_group *group)
{
	struct io *ends[2];

	fixture_socketpair(ends);
	fiber_group_start(group, "serve", serve, ends[0]);
	return ends[1];
}
