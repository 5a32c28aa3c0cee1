/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ttrpc server against a peer that writes frames by hand. A
 * failed assertion inside a fiber cannot go on with the next test: it ends the program.
 */
#include "tests/lib/test.h"

#include <stdio.h>
#include <sys/socket.h>

#include "agent.pb-c.h"
#include "common/base/mem.h"
#include "common/rpc/connection.h"
#include "common/rpc/status.h"
#include "proto/envelope.h"
#include "tests/unit/rpc/fixture.h"
#include "ttrpc.pb-c.h"

/* The peer: frames out by hand, frames in through the connection of the library. */
static struct {
	struct fiber_group group;
	struct io *io;
	struct rpc_connection conn;
	struct incoming frame;
	struct envelope_response answer;
	struct err e;
} peer;

static void peer_open(void)
{
	fixture_reset();
	memset(&peer, 0, sizeof(peer));
	peer.io = fixture_serve(&peer.group);
	rpc_connection_init(&peer.conn, peer.io);
}

static void peer_close(void)
{
	free(peer.frame.payload);
	peer.frame.payload = NULL;
	rpc_connection_done(&peer.conn);
	fiber_group_wait(&peer.group);
}

static void send_bytes(const void *bytes, size_t len)
{
	assert_ok(io_write(peer.io, bytes, len, deadline_in_ms(PATIENCE_MS), &peer.e), &peer.e);
}

static void send_frame(uint32_t stream, uint8_t type, uint8_t flags, const void *payload,
		       size_t len)
{
	const struct frame f = {
		.stream = stream, .type = type, .flags = flags, .payload_len = (uint32_t)len
	};
	uint8_t head[FRAME_HEADER_LEN];

	frame_header(&f, head);
	send_bytes(head, sizeof(head));
	if (len > 0)
		send_bytes(payload, len);
}

static size_t pack_request(uint8_t *out, const char *service, const char *method,
			   const ProtobufCMessage *payload, int64_t timeout_ns)
{
	Ttrpc__Request r;
	size_t n;

	ttrpc__request__init(&r);
	r.service = xstrdup(service);
	r.method = xstrdup(method);
	r.timeout_nano = timeout_ns;
	r.payload.len = payload ? protobuf_c_message_get_packed_size(payload) : 0;
	r.payload.data = xmalloc(r.payload.len + 1);
	if (payload)
		(void)protobuf_c_message_pack(payload, r.payload.data);
	n = ttrpc__request__pack(&r, out);
	free(r.service);
	free(r.method);
	free(r.payload.data);
	return n;
}

static void send_request(uint32_t stream, const char *service, const char *method,
			 const ProtobufCMessage *payload)
{
	uint8_t bytes[512];
	size_t n = pack_request(bytes, service, method, payload, 0);

	send_frame(stream, FRAME_REQUEST, 0, bytes, n);
}

#define AGENT "grpc.AgentService"

static void receive_answer(uint32_t stream)
{
	free(peer.frame.payload);
	peer.frame.payload = NULL;
	assert_int_equal(rpc_connection_receive(&peer.conn, &peer.frame, &peer.e), 1);
	assert_int_equal(peer.frame.type, FRAME_RESPONSE);
	assert_int_equal(peer.frame.flags, 0);
	assert_int_equal(peer.frame.stream, stream);
	assert_true(envelope_read_response((struct slice){ peer.frame.payload, peer.frame.len },
					   &peer.answer));
}

static void expect_status(uint32_t stream, enum rpc_status code, const char *text)
{
	char message[ERR_TEXT_MAX];

	receive_answer(stream);
	(void)snprintf(message, sizeof(message), "%.*s", (int)peer.answer.message.len,
		       peer.answer.message.len ? (const char *)peer.answer.message.data : "");
	assert_int_equal(peer.answer.code, code);
	if (text && !strstr(message, text))
		fail_msg("'%s' does not contain '%s'", message, text);
	if (code != RPC_OK)
		assert_int_equal(peer.answer.payload.len, 0);
}

static void send_wait(uint32_t stream)
{
	send_request(stream, AGENT, "WaitProcess", NULL);
}

/*
 * Each row is one frame on a connection where stream 5 is open (waiting) and 3 has been answered.
 * Whatever it was, the connection lives on.
 */
static void bad_frames(void *arg)
{
	static const uint8_t garbage[] = { 0x0a, 0xff, 0x01, 'x' };
	uint8_t good[256], no_service[256], no_method[256], bad_payload[256];
	size_t good_len = pack_request(good, AGENT, "PauseContainer", NULL, 0);
	size_t no_service_len = pack_request(no_service, "grpc.Nobody", "PauseContainer", NULL, 0);
	size_t no_method_len = pack_request(no_method, AGENT, "pausecontainer", NULL, 0);
	size_t bad_payload_len = pack_request(bad_payload, AGENT, "PauseContainer", NULL, 0);
	const struct {
		const char *what;
		uint32_t stream;
		uint8_t type, flags;
		const uint8_t *payload;
		size_t len;
		int want; /* -1: no answer */
		const char *text;
	} rows[] = {
		{ "stream 0", 0, FRAME_REQUEST, 0, good, good_len, RPC_INVALID_ARGUMENT, "odd" },
		{ "even", 8, FRAME_REQUEST, 0, good, good_len, RPC_INVALID_ARGUMENT, "odd" },
		{ "even data", 8, FRAME_DATA, 0, good, good_len, RPC_INVALID_ARGUMENT, "odd" },
		{ "lower", 1, FRAME_REQUEST, 0, good, good_len, RPC_INVALID_ARGUMENT, "once" },
		{ "used", 3, FRAME_REQUEST, 0, good, good_len, RPC_INVALID_ARGUMENT, "once" },
		{ "open", 5, FRAME_REQUEST, 0, good, good_len, RPC_INVALID_ARGUMENT, "once" },
		{ "data on finished", 3, FRAME_DATA, 0, good, good_len, RPC_INVALID_ARGUMENT,
		  "no longer active" },
		{ "data on unknown", 99, FRAME_DATA, 0, NULL, 0, RPC_INVALID_ARGUMENT,
		  "no longer active" },
		{ "data on unary", 5, FRAME_DATA, 0, good, 1, RPC_INVALID_ARGUMENT,
		  "data handling error" },
		{ "end of input", 5, FRAME_DATA, FRAME_REMOTE_CLOSED | FRAME_NO_DATA, NULL, 0, -1,
		  NULL },
		{ "type 0", 101, 0, 0, good, good_len, -1, NULL },
		{ "type 4", 101, 4, 0, good, good_len, -1, NULL },
		{ "response", 101, FRAME_RESPONSE, 0, good, good_len, -1, NULL },
		{ "no request", 201, FRAME_REQUEST, 0, garbage, sizeof(garbage),
		  RPC_INVALID_ARGUMENT, "no request" },
		{ "no service", 203, FRAME_REQUEST, 0, no_service, no_service_len,
		  RPC_UNIMPLEMENTED, "grpc.Nobody" },
		{ "no method", 205, FRAME_REQUEST, 0, no_method, no_method_len, RPC_UNIMPLEMENTED,
		  "pausecontainer" },
		{ "empty", 207, FRAME_REQUEST, 0, NULL, 0, RPC_UNIMPLEMENTED, "no service ''" },
		{ "unknown flags", 209, FRAME_REQUEST, 0xf8, good, good_len, RPC_OK, NULL },
		{ "bad payload", 211, FRAME_REQUEST, 0, bad_payload, bad_payload_len + 2,
		  RPC_INVALID_ARGUMENT, "no PauseContainerRequest" },
	};
	uint32_t stream = 1001;

	(void)arg;
	/* As if somebody had appended a payload of one byte that is no message. */
	memcpy(bad_payload + bad_payload_len, "\x1a", 2);
	bad_payload[bad_payload_len + 1] = 0x01;
	bad_payload[bad_payload_len + 2] = 0xff;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		size_t len = rows[i].len;

		peer_open();
		send_request(3, AGENT, "PauseContainer", NULL);
		expect_status(3, RPC_OK, NULL);
		send_wait(5);
		print_message("row %s\n", rows[i].what);
		if (rows[i].payload == bad_payload)
			len++;
		send_frame(rows[i].stream, rows[i].type, rows[i].flags, rows[i].payload, len);
		if (rows[i].want >= 0)
			expect_status(rows[i].stream, (enum rpc_status)rows[i].want, rows[i].text);
		send_request(stream, AGENT, "PauseContainer", NULL);
		expect_status(stream, RPC_OK, NULL);
		assert_int_equal(peer.frame.len, 0); /* success with nothing to say is no bytes */
		fixture_release();
		expect_status(5, RPC_OK, NULL);
		peer_close();
	}
}

/* What is too large is skipped, answered on its stream, and the next frame is found. */
static void too_large(void *arg)
{
	uint8_t head[FRAME_HEADER_LEN] = { 0, 0x40, 0, 1, 0, 0, 0, 1, FRAME_REQUEST, 0 };
	char *bytes = xcalloc(1, FRAME_PAYLOAD_MAX + 1);

	(void)arg;
	peer_open();
	send_bytes(head, sizeof(head));
	send_bytes(bytes, FRAME_PAYLOAD_MAX + 1);
	expect_status(1, RPC_RESOURCE_EXHAUSTED, "4194305 bytes");
	send_request(3, AGENT, "PauseContainer", NULL);
	expect_status(3, RPC_OK, NULL);
	peer_close();
	free(bytes);
}

/* The largest answer that fits, and one byte more. */
static void answer_limit(void *arg)
{
	Grpc__ReadStreamRequest req;
	/* Two keys and two lengths of four bytes each. */
	const uint32_t largest = FRAME_PAYLOAD_MAX - 10;

	(void)arg;
	grpc__read_stream_request__init(&req);
	peer_open();
	req.len = largest;
	send_request(1, AGENT, "ReadStdout", &req.base);
	receive_answer(1);
	assert_int_equal(peer.answer.code, RPC_OK);
	assert_int_equal(peer.frame.len, FRAME_PAYLOAD_MAX);
	req.len = largest + 1;
	send_request(3, AGENT, "ReadStdout", &req.base);
	expect_status(3, RPC_RESOURCE_EXHAUSTED, "4194305 bytes");
	peer_close();
}

/* A request that comes in one byte at a time, and three in one write. */
static void pieces(void *arg)
{
	uint8_t bytes[512], all[1600];
	size_t n = pack_request(bytes, AGENT, "PauseContainer", NULL, 0), len = 0;

	(void)arg;
	peer_open();
	for (uint32_t stream = 1; stream <= 7; stream += 2) {
		struct frame f = { .stream = stream,
				   .type = FRAME_REQUEST,
				   .payload_len = (uint32_t)n };

		frame_header(&f, all + len);
		memcpy(all + len + FRAME_HEADER_LEN, bytes, n);
		len += FRAME_HEADER_LEN + n;
	}
	for (size_t i = 0; i < len / 4; i++) {
		send_bytes(all + i, 1);
		fiber_yield();
	}
	send_bytes(all + len / 4, len - len / 4);
	for (uint32_t stream = 1; stream <= 7; stream += 2)
		expect_status(stream, RPC_OK, NULL);
	peer_close();
}

/* An end in the middle of a frame, at every byte of it. */
static void cut_short(void *arg)
{
	uint8_t bytes[512];
	size_t n = pack_request(bytes + FRAME_HEADER_LEN, AGENT, "PauseContainer", NULL, 0);
	const struct frame f = { .stream = 1, .type = FRAME_REQUEST, .payload_len = (uint32_t)n };

	(void)arg;
	frame_header(&f, bytes);
	for (size_t len = 1; len < FRAME_HEADER_LEN + n; len++) {
		peer_open();
		send_bytes(bytes, len);
		(void)shutdown(io_fd(peer.io), SHUT_WR);
		assert_int_equal(rpc_connection_receive(&peer.conn, &peer.frame, &peer.e), 0);
		peer_close();
	}
}

/* 1024 requests may run, the next is refused; those that only wait end with their peer. */
static void many(void *arg)
{
	(void)arg;
	peer_open();
	for (uint32_t i = 0; i < 1025; i++)
		send_wait(2 * i + 1);
	expect_status(2049, RPC_RESOURCE_EXHAUSTED, "1024 requests");
	assert_int_equal(fixture.waiting, 1024);
	peer_close();
	assert_int_equal(fixture.cancelled, 1024);
	assert_int_equal(fixture.waiting, 0);
}

/* What is under way finishes although nobody hears of it. */
static void peer_dies(void *arg)
{
	Grpc__RemoveContainerRequest req;

	(void)arg;
	grpc__remove_container_request__init(&req);
	req.timeout = 20;
	peer_open();
	send_request(1, AGENT, "RemoveContainer", &req.base);
	send_wait(3);
	while (fixture.waiting == 0)
		fiber_yield();
	peer_close();
	assert_int_equal(fixture.removed, 1);
	assert_int_equal(fixture.cancelled, 1);
}

/* Answers of several fibers to a peer that reads slowly do not mix. */
static void slow_reader(void *arg)
{
	Grpc__ReadStreamRequest req;

	(void)arg;
	grpc__read_stream_request__init(&req);
	req.len = 300000;
	peer_open();
	for (uint32_t i = 0; i < 20; i++)
		send_request(2 * i + 1, AGENT, "ReadStdout", &req.base);
	for (int i = 0; i < 50; i++)
		fiber_yield();
	for (uint32_t i = 0; i < 20; i++) {
		receive_answer(2 * i + 1);
		assert_int_equal(peer.answer.payload.len, 4 + 300000);
		for (size_t b = 0; b < 300000; b++)
			if (peer.answer.payload.data[4 + b] != b % 251)
				fail_msg("answer %u is wrong at byte %zu", i, b);
	}
	peer_close();
}

static void timeout(void *arg)
{
	static const int64_t timeouts[] = { 20000000, 1, -5 };
	uint8_t bytes[256];

	(void)arg;
	peer_open();
	for (uint32_t i = 0; i < ARRAY_LEN(timeouts); i++) {
		size_t n = pack_request(bytes, AGENT, "ResumeContainer", NULL, timeouts[i]);

		send_frame(2 * i + 1, FRAME_REQUEST, 0, bytes, n);
		expect_status(2 * i + 1, RPC_DEADLINE_EXCEEDED, "timed out");
	}
	peer_close();
}

/* Strings of an answer, and of an error, are valid UTF-8 whatever the handler put there. */
static void strings(void *arg)
{
	Grpc__SignalProcessRequest req;

	(void)arg;
	peer_open();
	send_request(1, AGENT, "GetOOMEvent", NULL);
	receive_answer(1);
	assert_int_equal(peer.answer.payload.len, 2 + 7);
	assert_memory_equal(peer.answer.payload.data + 2, "caf? \xc3\xa9", 7);

	grpc__signal_process_request__init(&req);
	req.signal = ERR_NOT_FOUND;
	req.container_id = xstrdup("\xff\xfe gone");
	send_request(3, AGENT, "SignalProcess", &req.base);
	expect_status(3, RPC_NOT_FOUND, "?? gone");
	free(req.container_id);
	peer_close();
}

IN_FIBER(bad_frames)
IN_FIBER(too_large)
IN_FIBER(answer_limit)
IN_FIBER(pieces)
IN_FIBER(cut_short)
IN_FIBER(many)
IN_FIBER(peer_dies)
IN_FIBER(slow_reader)
IN_FIBER(timeout)
IN_FIBER(strings)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad_frames),   cmocka_unit_test(test_too_large),
		cmocka_unit_test(test_answer_limit), cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_cut_short),    cmocka_unit_test(test_many),
		cmocka_unit_test(test_peer_dies),    cmocka_unit_test(test_slow_reader),
		cmocka_unit_test(test_timeout),      cmocka_unit_test(test_strings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
