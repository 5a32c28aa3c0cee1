/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ttrpc client against our server and against a peer that answers by hand. A
 * failed assertion inside a fiber cannot go on with the next test: it ends the program.
 */
#include "tests/lib/test.h"

#include <fcntl.h>
#include <stdlib.h>

#include "agent.pb-c.h"
#include "common/base/mem.h"
#include "common/rpc/client.h"
#include "common/rpc/connection.h"
#include "common/rpc/status.h"
#include "proto/envelope.h"
#include "tests/unit/rpc/fixture.h"
#include "ttrpc.pb-c.h"

#define DESC (&grpc__agent_service__descriptor)

static struct {
	struct fiber_group group, callers;
	struct rpc_client *client;
	struct err e;
	unsigned finished;
	unsigned order[128];
} seen;

static void open_client(void)
{
	fixture_reset();
	memset(&seen, 0, sizeof(seen));
	seen.client = rpc_client_new(fixture_serve(&seen.group), "agent");
}

static void close_client(void)
{
	rpc_client_free(seen.client);
	fiber_group_wait(&seen.group);
}

static int pause_container(struct deadline d)
{
	Grpc__PauseContainerRequest req;

	grpc__pause_container_request__init(&req);
	return rpc_call(seen.client, DESC, "PauseContainer", "k8s.io", &req, NULL, d, &seen.e);
}

static void caller_in_line(void *arg)
{
	unsigned n = (unsigned)(uintptr_t)arg;
	Grpc__TtyWinResizeRequest req;
	struct err e = ERR_INIT;

	grpc__tty_win_resize_request__init(&req);
	req.row = n;
	assert_ok(rpc_call(seen.client, DESC, "TtyWinResize", NULL, &req, NULL,
			   deadline_in_ms(PATIENCE_MS), &e),
		  &e);
	seen.order[seen.finished++] = n;
}

/* A hundred at once; those that were asked last are answered first. */
static void concurrent(void *arg)
{
	(void)arg;
	open_client();
	fixture.turn = 99;
	for (unsigned i = 0; i < 100; i++)
		fiber_group_start(&seen.callers, "caller", caller_in_line, (void *)(uintptr_t)i);
	fiber_group_wait(&seen.callers);
	assert_int_equal(seen.finished, 100);
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(seen.order[i], 99 - i);
	close_client();
}

static void echo(void *arg)
{
	static const uint32_t sizes[] = { 0,     1,     4095,   4096,    8180,           8192,
					  16384, 65536, 300000, 1 << 20, (4 << 20) - 100 };

	(void)arg;
	open_client();
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		Grpc__ReadStreamResponse *read_resp = NULL;
		Grpc__WriteStreamResponse *write_resp = NULL;
		Grpc__ReadStreamRequest read_req;
		Grpc__WriteStreamRequest write_req;

		grpc__read_stream_request__init(&read_req);
		read_req.len = sizes[i];
		assert_ok(rpc_call(seen.client, DESC, "ReadStdout", NULL, &read_req, &read_resp,
				   deadline_in_ms(PATIENCE_MS), &seen.e),
			  &seen.e);
		assert_int_equal(read_resp->data.len, sizes[i]);
		for (uint32_t b = 0; b < sizes[i]; b++)
			if (read_resp->data.data[b] != b % 251)
				fail_msg("%u bytes: wrong at %u", sizes[i], b);

		grpc__write_stream_request__init(&write_req);
		write_req.data = read_resp->data;
		assert_ok(rpc_call(seen.client, DESC, "WriteStdin", NULL, &write_req, &write_resp,
				   deadline_in_ms(PATIENCE_MS), &seen.e),
			  &seen.e);
		assert_int_equal(write_resp->len, sizes[i]);
		grpc__read_stream_response__free_unpacked(read_resp, NULL);
		grpc__write_stream_response__free_unpacked(write_resp, NULL);
	}
	close_client();
}

static void namespace_is_sent(void *arg)
{
	(void)arg;
	open_client();
	assert_ok(pause_container(deadline_in_ms(PATIENCE_MS)), &seen.e);
	assert_string_equal(fixture.ns, "k8s.io");
	close_client();
}

/* Each of our codes comes back as it was, with its text. */
static void errors_come_back(void *arg)
{
	Grpc__SignalProcessRequest req;
	char text[] = "what was wrong";

	(void)arg;
	open_client();
	grpc__signal_process_request__init(&req);
	req.container_id = text;
	for (req.signal = ERR_INVALID; req.signal <= ERR_INTERNAL; req.signal++) {
		assert_err(rpc_call(seen.client, DESC, "SignalProcess", NULL, &req, NULL,
				    deadline_in_ms(PATIENCE_MS), &seen.e),
			   &seen.e, req.signal, text);
		assert_string_equal(seen.e.text, text);
	}
	close_client();
}

static void deadline(void *arg)
{
	Grpc__WaitProcessRequest req;
	int64_t began;

	(void)arg;
	open_client();
	grpc__wait_process_request__init(&req);
	began = clock_now_ms();
	assert_err(rpc_call(seen.client, DESC, "WaitProcess", NULL, &req, NULL, deadline_in_ms(50),
			    &seen.e),
		   &seen.e, ERR_TIMEOUT, "no answer from agent in ");
	assert_in_range(clock_now_ms() - began, 45, AT_ONCE_MS);
	/* What was left when the call began. */
	assert_in_range(strtol(strstr(seen.e.text, " in ") + 4, NULL, 10), 1, 50);
	/* The late answer is dropped and the next call gets its own. */
	fixture_release();
	assert_ok(pause_container(deadline_in_ms(PATIENCE_MS)), &seen.e);
	assert_err(pause_container(deadline_in_ms(0)), &seen.e, ERR_TIMEOUT, "no time left");
	close_client();
}

static void refused_before_sending(void *arg)
{
	Grpc__WriteStreamRequest req;
	char bad[] = "a\xc0\x80";

	(void)arg;
	open_client();
	grpc__write_stream_request__init(&req);
	req.data.len = (4 << 20) + 1;
	req.data.data = xcalloc(1, req.data.len);
	assert_err(rpc_call(seen.client, DESC, "WriteStdin", NULL, &req, NULL,
			    deadline_in_ms(PATIENCE_MS), &seen.e),
		   &seen.e, ERR_EXHAUSTED, "limit is 4194304");
	free(req.data.data);
	req.data.len = 0;
	req.exec_id = bad;
	assert_err(rpc_call(seen.client, DESC, "WriteStdin", NULL, &req, NULL,
			    deadline_in_ms(PATIENCE_MS), &seen.e),
		   &seen.e, ERR_INVALID, "field 'exec_id'");
	assert_ok(pause_container(deadline_in_ms(PATIENCE_MS)), &seen.e);
	close_client();
}

static void waiter(void *arg)
{
	Grpc__WaitProcessRequest req;
	const char *want = arg;
	struct err e = ERR_INIT;

	grpc__wait_process_request__init(&req);
	assert_err(rpc_call(seen.client, DESC, "WaitProcess", NULL, &req, NULL, DEADLINE_NEVER, &e),
		   &e, ERR_UNAVAILABLE, want);
	seen.finished++;
}

static void free_fails_the_calls(void *arg)
{
	char text[] = "connection to agent lost: closed";

	(void)arg;
	open_client();
	for (int i = 0; i < 5; i++)
		fiber_group_start(&seen.callers, "waiter", waiter, text);
	while (fixture.waiting < 5)
		fiber_yield();
	close_client();
	assert_int_equal(seen.finished, 5);
	fiber_group_wait(&seen.callers);
}

/* After the last number comes the first; but one of a call that still waits is passed over. */
static void stream_numbers_go_round(void *arg)
{
	static const uint32_t next[] = { UINT32_MAX / 2, UINT32_MAX - 2 };
	char text[] = "connection to agent lost: closed";

	(void)arg;
	open_client();
	fiber_group_start(&seen.callers, "waiter", waiter, text); /* on stream 1 */
	while (fixture.waiting < 1)
		fiber_yield();
	for (size_t i = 0; i < ARRAY_LEN(next); i++) {
		rpc_client_set_stream(seen.client, next[i]);
		for (int k = 0; k < 4; k++)
			assert_ok(pause_container(deadline_in_ms(PATIENCE_MS)), &seen.e);
	}
	close_client();
	fiber_group_wait(&seen.callers);
}

/* A peer by hand: takes requests off `io`, answers as the test says. */
static struct {
	struct io *io;
	struct rpc_connection conn;
	struct incoming frame;
} peer;

static void open_peer(void)
{
	struct io *ends[2];

	memset(&seen, 0, sizeof(seen));
	memset(&peer, 0, sizeof(peer));
	fixture_socketpair(ends);
	peer.io = ends[0];
	rpc_connection_init(&peer.conn, ends[0]);
	seen.client = rpc_client_new(ends[1], "agent");
}

static void peer_receive(uint32_t stream)
{
	free(peer.frame.payload);
	assert_int_equal(rpc_connection_receive(&peer.conn, &peer.frame, &seen.e), 1);
	assert_int_equal(peer.frame.stream, stream);
}

static void peer_done(void)
{
	free(peer.frame.payload);
	rpc_connection_done(&peer.conn);
}

static void peer_dies(void *arg)
{
	char text[] = "connection to agent lost: closed by the peer";

	(void)arg;
	open_peer();
	for (int i = 0; i < 3; i++)
		fiber_group_start(&seen.callers, "waiter", waiter, text);
	for (uint32_t stream = 1; stream <= 5; stream += 2)
		peer_receive(stream);
	assert_false(rpc_client_closed(seen.client));
	peer_done();
	fiber_group_wait(&seen.callers);
	assert_int_equal(seen.finished, 3);
	assert_true(rpc_client_closed(seen.client));
	assert_err(pause_container(deadline_in_ms(PATIENCE_MS)), &seen.e, ERR_UNAVAILABLE, "lost");
	rpc_client_free(seen.client);
}

/* A peer that sends without end, here frames of zeroes, does not keep the loop for itself. */
static void flooded(void *arg)
{
	int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);

	(void)arg;
	memset(&seen, 0, sizeof(seen));
	assert_true(fd >= 0);
	seen.client = rpc_client_new(io_consume(fd, &seen.e), "agent");
	(void)alarm(PATIENCE_MS / 1000); /* ends the program if nobody else gets a turn */
	assert_ok(fiber_sleep_ms(50, &seen.e), &seen.e);
	assert_false(rpc_client_closed(seen.client));
	rpc_client_free(seen.client);
	(void)alarm(0);
}

static void reading_caller(void *arg)
{
	Grpc__ReadStreamResponse *resp = NULL;
	Grpc__ReadStreamRequest req;
	const char *want = arg;

	grpc__read_stream_request__init(&req);
	if (!want) {
		assert_ok(rpc_call(seen.client, DESC, "ReadStdout", NULL, &req, &resp,
				   deadline_in_ms(PATIENCE_MS), &seen.e),
			  &seen.e);
		assert_int_equal(resp->data.len, 0);
		grpc__read_stream_response__free_unpacked(resp, NULL);
	} else if (rpc_call(seen.client, DESC, "ReadStdout", NULL, &req, &resp,
			    deadline_in_ms(PATIENCE_MS), &seen.e) >= 0 ||
		   !strstr(seen.e.text, want)) {
		fail_msg("'%s' does not contain '%s'", seen.e.text, want);
	}
	seen.finished++;
}

/* What a peer may send, and what the caller is told. NULL: success. */
static void odd_answers(void *arg)
{
	static const struct {
		uint8_t type;
		const char *bytes;
		uint32_t len;
		const char *want;
	} rows[] = {
		{ FRAME_RESPONSE, "", 0, NULL },
		{ FRAME_RESPONSE, "\x0a\x02\x08\x00", 4, NULL }, /* a status that says 0 */
		{ FRAME_RESPONSE, "\x0a\x02\x08\x05", 4, "status 5 without a message" },
		{ FRAME_RESPONSE,
		  "\x0a\x07\x08\x63\x12\x03"
		  "a\nb",
		  9, "a b" },
		{ FRAME_RESPONSE,
		  "\x0a\x07\x08\x63\x12\x03"
		  "\xff\0c",
		  9, "? c" },
		{ FRAME_RESPONSE, "\xff\xff", 2, "2 bytes that are no response" },
		{ FRAME_RESPONSE, "\x12\x01\xff", 3, "1 bytes that are no ReadStreamResponse" },
	};

	(void)arg;
	open_peer();
	for (uint32_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct frame f = { .stream = 2 * i + 1,
					 .type = rows[i].type,
					 .payload_len = rows[i].len };
		const struct frame other = { .stream = 2 * i + 3, .type = FRAME_RESPONSE };
		const struct frame data = { .stream = 2 * i + 1, .type = FRAME_DATA };
		uint8_t head[FRAME_HEADER_LEN];

		fiber_group_start(&seen.callers, "caller", reading_caller,
				  (void *)(uintptr_t)rows[i].want);
		peer_receive(2 * i + 1);
		/* Neither an answer nobody asked for nor a data frame disturbs it. */
		frame_header(&other, head);
		assert_ok(io_write(peer.io, head, sizeof(head), DEADLINE_NEVER, &seen.e), &seen.e);
		frame_header(&data, head);
		assert_ok(io_write(peer.io, head, sizeof(head), DEADLINE_NEVER, &seen.e), &seen.e);
		frame_header(&f, head);
		assert_ok(io_write(peer.io, head, sizeof(head), DEADLINE_NEVER, &seen.e), &seen.e);
		assert_ok(io_write(peer.io, rows[i].bytes, rows[i].len, DEADLINE_NEVER, &seen.e),
			  &seen.e);
		fiber_group_wait(&seen.callers);
		assert_int_equal(seen.finished, i + 1);
	}
	rpc_client_free(seen.client);
	peer_done();
}

static void writer(void *arg)
{
	Grpc__WriteStreamRequest req;
	struct err e = ERR_INIT;
	int64_t ms = (int64_t)(intptr_t)arg;

	grpc__write_stream_request__init(&req);
	req.data.len = 1 << 20;
	req.data.data = xcalloc(1, req.data.len);
	assert_err(rpc_call(seen.client, DESC, "WriteStdin", NULL, &req, NULL, deadline_in_ms(ms),
			    &e),
		   &e, ERR_TIMEOUT, "no answer from agent");
	free(req.data.data);
	seen.finished++;
}

/*
 * A peer that does not read: the first caller gives up in the middle of its frame, the second before
 * its turn. The connection stays in step: the peer sees the first frame whole, then a third one.
 */
static void gives_up_half_way(void *arg)
{
	(void)arg;
	open_peer();
	fiber_group_start(&seen.callers, "writer", writer, (void *)(intptr_t)(2 * GIVES_UP_MS));
	fiber_yield();
	fiber_group_start(&seen.callers, "writer", writer, (void *)(intptr_t)GIVES_UP_MS);
	fiber_group_wait(&seen.callers);
	assert_int_equal(seen.finished, 2);

	fiber_group_start(&seen.callers, "caller", reading_caller, NULL);
	peer_receive(1);
	assert_in_range(peer.frame.len, 1 << 20, (1 << 20) + 200);
	peer_receive(3);
	assert_in_range(peer.frame.len, 10, 100);
	{
		const struct frame f = { .stream = 3, .type = FRAME_RESPONSE };
		uint8_t head[FRAME_HEADER_LEN];

		frame_header(&f, head);
		assert_ok(io_write(peer.io, head, sizeof(head), DEADLINE_NEVER, &seen.e), &seen.e);
	}
	fiber_group_wait(&seen.callers);
	rpc_client_free(seen.client);
	peer_done();
}

IN_FIBER(concurrent)
IN_FIBER(echo)
IN_FIBER(namespace_is_sent)
IN_FIBER(errors_come_back)
IN_FIBER(deadline)
IN_FIBER(refused_before_sending)
IN_FIBER(free_fails_the_calls)
IN_FIBER(stream_numbers_go_round)
IN_FIBER(peer_dies)
IN_FIBER(flooded)
IN_FIBER(odd_answers)
IN_FIBER(gives_up_half_way)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_concurrent),
		cmocka_unit_test(test_echo),
		cmocka_unit_test(test_namespace_is_sent),
		cmocka_unit_test(test_errors_come_back),
		cmocka_unit_test(test_deadline),
		cmocka_unit_test(test_refused_before_sending),
		cmocka_unit_test(test_free_fails_the_calls),
		cmocka_unit_test(test_stream_numbers_go_round),
		cmocka_unit_test(test_peer_dies),
		cmocka_unit_test(test_flooded),
		cmocka_unit_test(test_odd_answers),
		cmocka_unit_test(test_gives_up_half_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
