/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers whose last field is wanted in a pipe: every byte comes, in order, wherever it fits, and a
 * caller that has gone or a peer that dies in the middle harms nobody else.
 */
#include "tests/lib/test.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "agent.pb-c.h"
#include "common/base/mem.h"
#include "common/rpc/client.h"
#include "common/rpc/connection.h"
#include "proto/envelope.h"
#include "tests/unit/rpc/fixture.h"

#define LIMIT deadline_in_ms(PATIENCE_MS)
#define FIELD 1u /* ReadStreamResponse.data */
#define MUCH  300000u

static struct {
	int pipe[2];
	struct rpc_client *client;
	size_t piped;
	Grpc__ReadStreamResponse *resp;
	struct err e;
} t;

static bool gathers;

static int gather(void **state)
{
	(void)state;
	gathers = true;
	return 0;
}

static int gather_no_more(void **state)
{
	(void)state;
	gathers = false;
	return 0;
}

static void open_pipe(int size)
{
	if (pipe2(t.pipe, O_CLOEXEC | O_NONBLOCK) < 0 || fcntl(t.pipe[1], F_SETPIPE_SZ, size) < 0)
		abort();
}

static void close_pipe(void)
{
	(void)close(t.pipe[0]);
	(void)close(t.pipe[1]);
}

static int read_stdout(uint32_t len, struct deadline d)
{
	Grpc__ReadStreamRequest req;

	grpc__read_stream_request__init(&req);
	req.len = len;
	t.e = ERR_INIT;
	t.resp = NULL;
	return rpc_call_to_pipe(t.client, &grpc__agent_service__descriptor, "ReadStdout", &req,
				&t.resp, FIELD, t.pipe[1], &t.piped, d, &t.e);
}

/* What is in the pipe and then in the answer are the fixture's bytes, `len` of them; frees the answer. */
static void expect_bytes(size_t len)
{
	auto_free uint8_t *bytes = xmalloc(len + 1);
	ssize_t n = read(t.pipe[0], bytes, len + 1);

	assert_int_equal(n < 0 ? 0 : n, t.piped);
	assert_int_equal(t.piped + t.resp->data.len, len);
	if (t.resp->data.len > 0)
		memcpy(bytes + t.piped, t.resp->data.data, t.resp->data.len);
	for (size_t i = 0; i < len; i++)
		if (bytes[i] != i % 251)
			fail_msg("byte %zu of %zu is wrong, %zu were in the pipe", i, len, t.piped);
	grpc__read_stream_response__free_unpacked(t.resp, NULL);
}

static void served(void *arg)
{
	struct fiber_group g = FIBER_GROUP_INIT;

	(void)arg;
	fixture_reset();
	t.client = rpc_client_new(fixture_serve(&g), "peer");
	rpc_client_gather(t.client, gathers);

	/* Room for all of it: none of it comes into memory. */
	open_pipe(1 << 20);
	for (int i = 0; i < 3; i++) {
		assert_ok(read_stdout(MUCH, LIMIT), &t.e);
		assert_int_equal(t.piped, MUCH);
		expect_bytes(MUCH);
	}
	/* A little is not worth a pipe, and nothing is an answer too. */
	assert_ok(read_stdout(1000, LIMIT), &t.e);
	assert_int_equal(t.piped, 0);
	expect_bytes(1000);
	assert_ok(read_stdout(0, LIMIT), &t.e);
	expect_bytes(0);
	close_pipe();

	/* Room for the beginning. */
	open_pipe(16 << 10);
	for (int i = 0; i < 3; i++) {
		assert_ok(read_stdout(MUCH, LIMIT), &t.e);
		assert_in_range(t.piped, 1, MUCH - 1); /* a place in a pipe holds up to 32 KiB */
		expect_bytes(MUCH);
	}
	close_pipe();

	rpc_client_free(t.client);
	fiber_group_wait(&g);
}

/* Not a pipe that is full, but one whose reader is gone: the call must not end with it. */
static void no_reader(void *arg)
{
	struct fiber_group g = FIBER_GROUP_INIT;

	(void)arg;
	fixture_reset();
	t.client = rpc_client_new(fixture_serve(&g), "peer");
	open_pipe(1 << 20);
	(void)close(t.pipe[0]);
	assert_ok(read_stdout(MUCH, LIMIT), &t.e);
	assert_int_equal(t.piped, 0);
	assert_int_equal(t.resp->data.len, MUCH);
	grpc__read_stream_response__free_unpacked(t.resp, NULL);
	(void)close(t.pipe[1]);
	rpc_client_free(t.client);
	fiber_group_wait(&g);
}

static struct {
	struct rpc_connection conn;
	struct io *io;
} peer;

static void start_peer(void)
{
	struct io *ends[2];

	fixture_socketpair(ends);
	t.client = rpc_client_new(ends[0], "peer");
	rpc_client_gather(t.client, gathers);
	peer.io = ends[1];
	rpc_connection_init(&peer.conn, peer.io);
}

/* Takes a request and sends the first `part` bytes of an answer of MUCH to it; returns all of it. */
static uint8_t *answer_part(size_t part, size_t *ret_len)
{
	uint8_t outer[WIRE_KEY_MAX], inner[WIRE_KEY_MAX];
	size_t inner_len = wire_put_key(inner, FIELD, MUCH);
	size_t outer_len = wire_put_key(outer, ENVELOPE_RESPONSE_PAYLOAD, inner_len + MUCH);
	struct frame f = { .type = FRAME_RESPONSE };
	struct incoming request;
	struct err e = ERR_INIT;
	uint8_t *all, *p;

	assert_int_equal(rpc_connection_receive(&peer.conn, &request, &e), 1);
	free(request.payload);
	f.stream = request.stream;
	f.payload_len = (uint32_t)(outer_len + inner_len + MUCH);
	*ret_len = FRAME_HEADER_LEN + f.payload_len;
	p = all = xmalloc(*ret_len);
	frame_header(&f, p);
	memcpy(p += FRAME_HEADER_LEN, outer, outer_len);
	memcpy(p += outer_len, inner, inner_len);
	p += inner_len;
	for (size_t i = 0; i < MUCH; i++)
		p[i] = (uint8_t)(i % 251);
	assert_ok(io_write(peer.io, all, part, LIMIT, &e), &e);
	return all;
}

struct caller {
	int result;
	struct deadline d;
};

static void caller(void *arg)
{
	struct caller *c = arg;

	c->result = read_stdout(MUCH, c->d);
}

/* At each of these points the caller goes; what still comes for it is skipped, the next call works. */
static void leaves(void *arg)
{
	static const size_t parts[] = { 5, FRAME_HEADER_LEN, 20, 40, 30000, 150000 };

	(void)arg;
	start_peer();
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		struct caller gone = { 0 }, next = { .d = LIMIT };
		struct fiber_group g = FIBER_GROUP_INIT;
		auto_free uint8_t *first = NULL, *second = NULL;
		struct err e = ERR_INIT;
		size_t len;

		open_pipe(1 << 20);
		gone.d = deadline_in_ms(GIVES_UP_MS);
		fiber_group_start(&g, "caller", caller, &gone);
		first = answer_part(parts[i], &len);
		fiber_group_wait(&g);
		assert_int_equal(gone.result, -1);
		assert_int_equal(t.e.code, ERR_TIMEOUT);
		close_pipe();

		/* The number of the pipe that has gone is another pipe's now: not a byte may get there. */
		open_pipe(1 << 20);
		fiber_group_start(&g, "next caller", caller, &next);
		assert_ok(io_write(peer.io, first + parts[i], len - parts[i], LIMIT, &e), &e);
		second = answer_part(len, &len);
		fiber_group_wait(&g);
		assert_ok(next.result, &t.e);
		assert_int_equal(t.piped, MUCH);
		expect_bytes(MUCH);
		close_pipe();
	}
	rpc_client_free(t.client);
	rpc_connection_done(&peer.conn);
}

static void peer_dies(void *arg)
{
	struct caller c = { .d = LIMIT };
	struct fiber_group g = FIBER_GROUP_INIT;
	auto_free uint8_t *answer = NULL;
	size_t len;

	(void)arg;
	start_peer();
	open_pipe(1 << 20);
	fiber_group_start(&g, "caller", caller, &c);
	answer = answer_part(150000, &len);
	rpc_connection_done(&peer.conn);
	fiber_group_wait(&g);
	assert_int_equal(c.result, -1);
	assert_int_equal(t.e.code, ERR_UNAVAILABLE);
	close_pipe();
	rpc_client_free(t.client);
}

#define TEST(fn)                            \
	static void test_##fn(void **state) \
	{                                   \
		(void)state;                \
		fiber_main(fn, NULL);       \
	}

TEST(served)
TEST(no_reader)
TEST(leaves)
TEST(peer_dies)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_served),
		cmocka_unit_test(test_no_reader),
		cmocka_unit_test(test_leaves),
		cmocka_unit_test(test_peer_dies),
		cmocka_unit_test_setup_teardown(test_served, gather, gather_no_more),
		cmocka_unit_test_setup_teardown(test_leaves, gather, gather_no_more),
		cmocka_unit_test_setup_teardown(test_peer_dies, gather, gather_no_more),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
