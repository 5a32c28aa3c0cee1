/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a ttrpc call costs: server and client in one process over a socket pair, so the figures hold
 * both sides' work and twice the fiber switches of a real one. Prints one line per measurement.
 */
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "agent.pb-c.h"
#include "common/base/mem.h"
#include "common/rpc/client.h"
#include "common/rpc/server.h"

#define RUN_MS 1000

static int on_write(const struct rpc_call *call, const void *req, void *resp, struct err *e)
{
	(void)call;
	(void)e;
	((Grpc__WriteStreamResponse *)resp)->len =
		(uint32_t)((const Grpc__WriteStreamRequest *)req)->data.len;
	return 0;
}

static int on_read(const struct rpc_call *call, const void *req, void *resp, struct err *e)
{
	Grpc__ReadStreamResponse *out = resp;

	(void)call;
	(void)e;
	out->data.len = ((const Grpc__ReadStreamRequest *)req)->len;
	out->data.data = xmalloc(out->data.len + 1);
	memset(out->data.data, 'x', out->data.len);
	return 0;
}

static const struct rpc_method methods[] = {
	{ "WriteStdin", on_write, 0 },
	{ "ReadStdout", on_read, 0 },
};
static const struct rpc_service service = {
	.desc = &grpc__agent_service__descriptor,
	.methods = methods,
	.n_methods = ARRAY_LEN(methods),
};
static const struct rpc_service *const services[] = { &service };

static void serve(void *arg)
{
	rpc_serve(arg, services, ARRAY_LEN(services));
}

struct load {
	struct rpc_client *client;
	uint32_t bytes; /* of each answer; 0: echo */
	uint64_t calls;
	struct deadline end;
	bool failed;
};

static void caller(void *arg)
{
	struct load *l = arg;
	Grpc__ReadStreamRequest read_req;
	Grpc__WriteStreamRequest write_req;
	struct err e = ERR_INIT;

	grpc__read_stream_request__init(&read_req);
	grpc__write_stream_request__init(&write_req);
	read_req.len = l->bytes;
	while (!deadline_passed(l->end) && !l->failed) {
		Grpc__ReadStreamResponse *got = NULL;
		int r;

		if (l->bytes)
			r = rpc_call(l->client, service.desc, "ReadStdout", NULL, &read_req, &got,
				     deadline_in_ms(5000), &e);
		else
			r = rpc_call(l->client, service.desc, "WriteStdin", NULL, &write_req, NULL,
				     deadline_in_ms(5000), &e);
		if (r < 0) {
			(void)fprintf(stderr, "rpc_bench: %s\n", e.text);
			l->failed = true;
			return;
		}
		if (got)
			grpc__read_stream_response__free_unpacked(got, NULL);
		l->calls++;
	}
}

static double cpu_seconds(void)
{
	struct rusage u;

	(void)getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static bool measure(struct rpc_client *client, uint32_t bytes, unsigned callers)
{
	struct load l = { .client = client, .bytes = bytes, .end = deadline_in_ms(RUN_MS) };
	struct fiber_group group = FIBER_GROUP_INIT;
	double cpu = cpu_seconds(), seconds;
	int64_t began = clock_now_ns();

	for (unsigned i = 0; i < callers; i++)
		fiber_group_start(&group, "caller", caller, &l);
	fiber_group_wait(&group);
	seconds = (double)(clock_now_ns() - began) / 1e9;
	cpu = cpu_seconds() - cpu;
	if (l.failed || l.calls == 0)
		return false;
	(void)printf("answer_bytes=%u callers=%u calls_per_s=%.0f cpu_us_per_call=%.2f", bytes,
		     callers, (double)l.calls / seconds, cpu * 1e6 / (double)l.calls);
	if (bytes)
		(void)printf(" mb_per_s=%.0f", (double)l.calls * bytes / seconds / 1e6);
	(void)printf("\n");
	return true;
}

static void bench(void *arg)
{
	static const struct {
		uint32_t bytes;
		unsigned callers;
	} rows[] = {
		{ 0, 1 }, { 0, 64 }, { 32768, 1 }, { 32768, 4 }, { 262144, 1 }, { 1048576, 1 }
	};
	struct fiber_group server = FIBER_GROUP_INIT;
	bool *failed = arg;
	struct rpc_client *client;
	struct err e = ERR_INIT;
	struct io *host, *guest;
	int fds[2];

	*failed = true;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0) {
		perror("socketpair");
		return;
	}
	host = io_consume(fds[0], &e);
	guest = io_consume(fds[1], &e);
	if (!host || !guest) {
		(void)fprintf(stderr, "rpc_bench: %s\n", e.text);
		return;
	}
	fiber_group_start(&server, "serve", serve, guest);
	client = rpc_client_new(host, "server");
	*failed = false;
	for (size_t i = 0; i < ARRAY_LEN(rows) && !*failed; i++)
		*failed = !measure(client, rows[i].bytes, rows[i].callers);
	rpc_client_free(client);
	fiber_group_wait(&server);
}

int main(void)
{
	bool failed;

	fiber_main(bench, &failed);
	return failed ? 1 : 0;
}
