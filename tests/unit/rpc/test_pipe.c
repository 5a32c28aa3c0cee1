/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers whose bytes come out of a pipe: whole frames whatever the peer, the pipe and the sender do,
 * for connections that take pages from a pipe and for those that do not.
 */
#include "tests/lib/test.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent.pb-c.h"
#include "common/base/mem.h"
#include "common/rpc/client.h"
#include "common/rpc/connection.h"
#include "proto/envelope.h"
#include "tests/unit/rpc/fixture.h"
#include "ttrpc.pb-c.h"

#define LIMIT     deadline_in_ms(PATIENCE_MS)
#define PIPE_SIZE (1u << 20)
#define FIELD     1u /* ReadStreamResponse.data */

static struct {
	bool splices;
	struct io *ends[2];
	struct rpc_connection sender, receiver;
	int sent;
	struct err e;
} t;

static uint8_t pattern(size_t i)
{
	return (uint8_t)(i % 251);
}

/* A new pipe with pattern bytes; returns its end for reading. */
static int fill_pipe(size_t from, size_t len)
{
	auto_free uint8_t *bytes = xmalloc(len + 1);
	int fds[2];

	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0 || fcntl(fds[0], F_SETPIPE_SZ, PIPE_SIZE) < 0)
		abort();

	for (size_t i = 0; i < len; i++)
		bytes[i] = pattern(from + i);
	if (write(fds[1], bytes, len) != (ssize_t)len)
		abort();
	(void)close(fds[1]);
	return fds[0];
}

static size_t in_pipe(int fd)
{
	int n = 0;

	if (ioctl(fd, FIONREAD, &n) < 0)
		abort();
	return (size_t)n;
}

static void open_all(void)
{
	bool splices = t.splices;

	memset(&t, 0, sizeof(t));
	t.splices = splices;
	fixture_socketpair(t.ends);
	rpc_connection_init(&t.sender, t.ends[0]);
	rpc_connection_init(&t.receiver, t.ends[1]);
	t.sender.splices = splices;
}

static void close_all(void)
{
	rpc_connection_done(&t.sender);
	rpc_connection_done(&t.receiver);
}

static int send_from_pipe(int pipe, uint32_t stream, size_t len, struct deadline d, struct err *e)
{
	const struct outgoing_tail tail = { .field = FIELD, .pipe = pipe, .len = len };
	auto_outgoing struct outgoing o = OUTGOING_INIT;
	Grpc__ReadStreamResponse resp;
	Ttrpc__Response response;
	int r;

	ttrpc__response__init(&response);
	grpc__read_stream_response__init(&resp);
	assert_ok(outgoing_pack_with_tail(&o, FRAME_RESPONSE, &response.base,
					  ENVELOPE_RESPONSE_PAYLOAD, &resp.base, tail, e),
		  e);
	outgoing_set_stream(&o, stream);
	if (rpc_connection_begin(&t.sender, d, e) < 0)
		return -1;
	r = rpc_connection_send(&t.sender, &o, d, e);
	rpc_connection_end(&t.sender);
	return r;
}

/* The next frame is an answer with the pattern bytes from..from+len. */
static void expect_answer(uint32_t stream, size_t from, size_t len)
{
	struct envelope_response response;
	Grpc__ReadStreamResponse *resp;
	struct incoming f;

	assert_int_equal(rpc_connection_receive(&t.receiver, &f, &t.e), 1);
	assert_int_equal(f.stream, stream);
	assert_true(envelope_read_response((struct slice){ f.payload, f.len }, &response));
	resp = grpc__read_stream_response__unpack(NULL, response.payload.len,
						  response.payload.data);
	assert_non_null(resp);
	assert_int_equal(resp->data.len, len);
	for (size_t i = 0; i < len; i++)
		if (resp->data.data[i] != pattern(from + i))
			fail_msg("stream %u is wrong at byte %zu of %zu", stream, i, len);
	grpc__read_stream_response__free_unpacked(resp, NULL);
	free(f.payload);
}

struct one_send {
	int pipe;
	uint32_t stream;
	size_t len;
	struct deadline d;
	int result;
	struct err e;
};

static void sender(void *arg)
{
	struct one_send *s = arg;

	s->e = ERR_INIT;
	s->result = send_from_pipe(s->pipe, s->stream, s->len, s->d, &s->e);
	if (s->result == 0)
		t.sent++;
}

/* Sizes at the edges of pages, of length prefixes, of pieces that are copied, and of the whole pipe. */
static void sizes(void *arg)
{
	static const size_t lens[] = { 1,     127,       128,       4095,      4096,     4097,
				       16384, 60 * 1024, 61440 + 1, 65536 + 1, PIPE_SIZE };

	(void)arg;
	open_all();
	for (uint32_t i = 0; i < ARRAY_LEN(lens); i++) {
		struct one_send s = { fill_pipe(i, lens[i]), 2 * i + 1, lens[i], .d = LIMIT };
		struct fiber_group g = FIBER_GROUP_INIT;

		fiber_group_start(&g, "sender", sender, &s);
		expect_answer(s.stream, i, lens[i]);
		fiber_group_wait(&g);
		assert_int_equal(in_pipe(s.pipe), 0);
		(void)close(s.pipe);
	}
	assert_int_equal(t.sent, ARRAY_LEN(lens));
	close_all();
}

#define SENDERS 4

/* Several senders and a peer that reads late: each frame is whole. */
static void slow_peer(void *arg)
{
	struct fiber_group g = FIBER_GROUP_INIT;
	struct one_send sends[SENDERS];

	(void)arg;
	open_all();
	for (uint32_t i = 0; i < SENDERS; i++) {
		sends[i] = (struct one_send){ fill_pipe(i, 200000 + i), 2 * i + 1, 200000 + i,
					      .d = LIMIT };
		fiber_group_start(&g, "sender", sender, &sends[i]);
	}
	for (int i = 0; i < 20; i++)
		fiber_yield();
	assert_true(t.sent < SENDERS);
	for (uint32_t i = 0; i < SENDERS; i++)
		expect_answer(2 * i + 1, i, 200000 + i);
	fiber_group_wait(&g);
	assert_int_equal(t.sent, SENDERS);
	for (int i = 0; i < SENDERS; i++)
		(void)close(sends[i].pipe);
	close_all();
}

/* A sender that gives up in the middle: the peer still gets its frame whole, then the next one. */
static void gives_up(void *arg)
{
	struct one_send late = { .pipe = fill_pipe(0, 900000), .stream = 1, .len = 900000 };
	struct one_send next = { fill_pipe(5, 1000), 3, 1000, .d = LIMIT };
	struct fiber_group g = FIBER_GROUP_INIT;

	(void)arg;
	open_all();
	late.d = deadline_in_ms(GIVES_UP_MS);
	fiber_group_start(&g, "sender", sender, &late);
	fiber_group_wait(&g);
	assert_int_equal(late.result, -1);
	assert_int_equal(late.e.code, ERR_TIMEOUT);
	assert_int_equal(in_pipe(late.pipe), 0);
	fiber_group_start(&g, "sender", sender, &next);
	expect_answer(1, 0, 900000);
	expect_answer(3, 5, 1000);
	fiber_group_wait(&g);
	assert_int_equal(t.sent, 1);
	(void)close(late.pipe);
	(void)close(next.pipe);
	close_all();
}

/* Before the first byte it costs nothing: the pipe is as it was. */
static void gives_up_at_once(void *arg)
{
	struct one_send late = { fill_pipe(0, 5000), 1, 5000, .d = deadline_in_ms(5) };
	struct fiber_group g = FIBER_GROUP_INIT;
	struct err e = ERR_INIT;

	(void)arg;
	open_all();
	assert_ok(rpc_connection_begin(&t.sender, LIMIT, &e), &e);
	fiber_group_start(&g, "sender", sender, &late);
	fiber_group_wait(&g);
	rpc_connection_end(&t.sender);
	assert_int_equal(late.result, -1);
	assert_int_equal(in_pipe(late.pipe), 5000);
	assert_ok(send_from_pipe(late.pipe, 3, 5000, LIMIT, &e), &e);
	expect_answer(3, 0, 5000);
	(void)close(late.pipe);
	close_all();
}

/* The peer is lost in the middle: the sender fails, what did not leave the pipe is there. */
static void peer_dies(void *arg)
{
	struct one_send s = { fill_pipe(0, 1000000), 1, 1000000, .d = LIMIT };
	struct fiber_group g = FIBER_GROUP_INIT;

	(void)arg;
	open_all();
	fiber_group_start(&g, "sender", sender, &s);
	for (int i = 0; i < 20; i++)
		fiber_yield();
	rpc_connection_close(&t.receiver);
	fiber_group_wait(&g);
	assert_int_equal(s.result, -1);
	assert_true(in_pipe(s.pipe) > 0);
	(void)close(s.pipe);
	close_all();
}

/* A pipe that breaks its promise cannot be made good: the connection takes no more. */
static void too_little(void *arg)
{
	int pipe = fill_pipe(0, 100);
	struct err e = ERR_INIT;

	(void)arg;
	open_all();
	assert_int_equal(send_from_pipe(pipe, 1, 101, LIMIT, &e), -1);
	assert_int_equal(send_from_pipe(pipe, 3, 1, LIMIT, &e), -1);
	assert_int_equal(e.code, ERR_UNAVAILABLE);
	(void)close(pipe);
	close_all();
}

static int read_stderr(struct rpc_client *client, uint32_t len, Grpc__ReadStreamResponse **ret)
{
	Grpc__ReadStreamRequest req;

	grpc__read_stream_request__init(&req);
	req.len = len;
	t.e = ERR_INIT;
	return rpc_call(client, &grpc__agent_service__descriptor, "ReadStderr", NULL, &req, ret,
			LIMIT, &t.e);
}

/* From the handler's side: answered once, with success and with too much. */
static void handler(void *arg)
{
	struct fiber_group g = FIBER_GROUP_INIT;
	Grpc__ReadStreamResponse *resp;
	struct rpc_client *client;

	(void)arg;
	fixture_reset();
	client = rpc_client_new(fixture_serve(&g), "peer");
	for (size_t i = 0; i < 2; i++) {
		fixture.pipe = fill_pipe(i, 25000);
		assert_ok(read_stderr(client, 25000, &resp), &t.e);
		assert_int_equal(resp->data.len, 25000);
		for (size_t b = 0; b < 25000; b++)
			if (resp->data.data[b] != pattern(i + b))
				fail_msg("answer %zu is wrong at byte %zu", i, b);
		grpc__read_stream_response__free_unpacked(resp, NULL);
		(void)close(fixture.pipe);
	}
	assert_int_equal(read_stderr(client, FRAME_PAYLOAD_MAX, &resp), -1);
	assert_int_equal(t.e.code, ERR_EXHAUSTED);
	rpc_client_free(client);
	fiber_group_wait(&g);
}

#define BOTH_WAYS(fn)                              \
	static void test_##fn(void **state)        \
	{                                          \
		(void)state;                       \
		t.splices = true;                  \
		fiber_main(fn, NULL);              \
	}                                          \
	static void test_copied_##fn(void **state) \
	{                                          \
		(void)state;                       \
		t.splices = false;                 \
		fiber_main(fn, NULL);              \
	}

BOTH_WAYS(sizes)
BOTH_WAYS(slow_peer)
BOTH_WAYS(gives_up)
BOTH_WAYS(gives_up_at_once)
BOTH_WAYS(peer_dies)

static void test_too_little(void **state)
{
	(void)state;
	t.splices = false;
	fiber_main(too_little, NULL);
}

static void test_handler(void **state)
{
	(void)state;
	fiber_main(handler, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_copied_sizes),
		cmocka_unit_test(test_slow_peer),
		cmocka_unit_test(test_copied_slow_peer),
		cmocka_unit_test(test_gives_up),
		cmocka_unit_test(test_copied_gives_up),
		cmocka_unit_test(test_gives_up_at_once),
		cmocka_unit_test(test_copied_gives_up_at_once),
		cmocka_unit_test(test_peer_dies),
		cmocka_unit_test(test_copied_peer_dies),
		cmocka_unit_test(test_too_little),
		cmocka_unit_test(test_handler),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
