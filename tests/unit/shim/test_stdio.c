/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Standard streams between fifos and a scripted agent: every byte both ways, ends in the right
 * order, a stalled reader, clients that come and go.
 */
#include "tests/lib/test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "tests/unit/shim/stdio_case.h"

#define MIB (1024u * 1024u)

static struct io *client_open(const char *path, int flags)
{
	struct err e = ERR_INIT;
	struct io *io = io_consume(open(path, flags | O_NONBLOCK | O_CLOEXEC), &e);

	if (!io)
		abort();
	return io;
}

static void read_pattern(const char *path, uint64_t *count, bool *eof)
{
	struct io *io = client_open(path, O_RDONLY);
	auto_free uint8_t *buf = xmalloc(MIB);
	struct err e = ERR_INIT;
	ssize_t n;

	while ((n = io_read(io, buf, MIB, DEADLINE_NEVER, &e)) > 0) {
		for (ssize_t i = 0; i < n; i++)
			t.wrong |= buf[i] != peer_pattern(*count + (uint64_t)i);
		*count += (uint64_t)n;
	}
	*eof = n == 0;
	io_free(io);
}

static void read_stdout(void *arg)
{
	(void)arg;
	read_pattern(t.out, &t.read_out, &t.eof_out);
}

static void read_stderr(void *arg)
{
	(void)arg;
	read_pattern(t.err, &t.read_err, &t.eof_err);
}

static void start_readers(void)
{
	fiber_group_start(&t.clients, "stdout reader", read_stdout, NULL);
	fiber_group_start(&t.clients, "stderr reader", read_stderr, NULL);
	fiber_yield();
}

static void outputs(void *arg)
{
	(void)arg;
	begin();
	start_readers();
	stdio_drain(t.stdio, deadline_in_ms(PATIENCE_MS));
	fiber_group_wait(&t.clients);
	end();
}

static void check_outputs(uint64_t out, uint64_t err)
{
	assert_int_equal(t.result, 0);
	assert_false(t.wrong);
	assert_int_equal(t.read_out, out);
	assert_int_equal(t.read_err, err);
	assert_true(t.eof_out);
	assert_true(t.eof_err);
}

static void test_every_byte_arrives(void **state)
{
	(void)state;
	t.peer.ordered = true;
	t.peer.out.total = 64 * MIB;
	t.peer.err.total = 3 * MIB + 1;
	fiber_main(outputs, NULL);
	check_outputs(64 * MIB, 3 * MIB + 1);
}

static void test_answers_that_overtake(void **state)
{
	(void)state;
	t.peer.ordered = t.peer.reorder = true;
	t.peer.most = 5000;
	t.peer.out.total = MIB;
	fiber_main(outputs, NULL);
	check_outputs(MIB, 0);
}

static void test_one_read_at_a_time(void **state)
{
	(void)state;
	t.peer.most = 70000;
	t.peer.out.total = 4 * MIB;
	t.peer.err.total = 1;
	fiber_main(outputs, NULL);
	check_outputs(4 * MIB, 1);
}

/* The process is gone before the client reads a byte: what fits the pipe is there all the same. */
static void late_client(void *arg)
{
	struct io *out = client_open(t.out, O_RDONLY);
	struct io *err = client_open(t.err, O_RDONLY);

	(void)arg;
	begin();
	stdio_drain(t.stdio, deadline_in_ms(PATIENCE_MS));
	start_readers();
	io_free(out);
	io_free(err);
	fiber_group_wait(&t.clients);
	end();
}

static void test_last_bytes(void **state)
{
	(void)state;
	t.peer.out.total = 60000;
	t.peer.err.total = 7;
	fiber_main(late_client, NULL);
	check_outputs(60000, 7);
}

static void stalled(void *arg)
{
	struct io *out = client_open(t.out, O_RDONLY);

	(void)arg;
	begin();
	fiber_group_start(&t.clients, "stderr reader", read_stderr, NULL);
	fiber_group_wait(&t.clients); /* stderr is at its end while stdout stands still */
	t.early_eof = !t.eof_err;
	fiber_group_start(&t.clients, "stdout reader", read_stdout, NULL);
	fiber_yield();
	stdio_drain(t.stdio, deadline_in_ms(PATIENCE_MS));
	fiber_group_wait(&t.clients);
	io_free(out);
	end();
}

static void test_stalled_reader_stalls_itself(void **state)
{
	(void)state;
	t.peer.ordered = true;
	t.peer.out.total = 4 * MIB;
	t.peer.err.total = 4 * MIB;
	fiber_main(stalled, NULL);
	check_outputs(4 * MIB, 4 * MIB);
	assert_false(t.early_eof);
}

/* A client that reads nothing while the streams are drained. */
static void silent_client(void *arg)
{
	struct io *out = client_open(t.out, O_RDONLY);
	int64_t began;

	(void)arg;
	begin();
	began = clock_now_ms();
	stdio_drain(t.stdio, deadline_in_ms(t.drain_ms));
	t.ms = clock_now_ms() - began;
	io_free(out);
	end();
}

static void test_drain_has_a_deadline(void **state)
{
	(void)state;
	t.peer.ordered = true;
	t.peer.out.total = t.peer.err.total = 4 * MIB;
	t.drain_ms = 100;
	fiber_main(silent_client, NULL);
	assert_in_range(t.ms, 90, AT_ONCE_MS);
}

static void no_end_before_its_time(void *arg)
{
	struct io *out = client_open(t.out, O_RDONLY);
	struct err e = ERR_INIT;
	char byte;

	(void)arg;
	begin();
	if (io_read_exactly(out, &byte, 1, deadline_in_ms(PATIENCE_MS), &e) < 0)
		t.wrong = true;
	/* The process lives and says nothing: that is no end. */
	t.early_eof = io_read(out, &byte, 1, deadline_in_ms(50), &e) == 0;
	t.peer.out.hold = t.peer.err.hold = false;
	cond_wake_all(&t.peer.changed);
	t.eof_out = io_read(out, &byte, 1, deadline_in_ms(PATIENCE_MS), &e) == 0;
	io_free(out);
	end();
}

static void test_end_only_at_the_end(void **state)
{
	(void)state;
	t.peer.out.total = 1;
	t.peer.out.hold = t.peer.err.hold = true;
	fiber_main(no_end_before_its_time, NULL);
	assert_false(t.wrong);
	assert_false(t.early_eof);
	assert_true(t.eof_out);
}

/* Nobody gave a path: what the process writes is read all the same, or it would stand still. */
static void test_nowhere(void **state)
{
	(void)state;
	t.params.stdout_uri = t.params.stderr_uri = "";
	t.peer.out.total = 2 * MIB;
	t.drain_ms = PATIENCE_MS;
	fiber_main(silent_client, NULL);
	assert_int_equal(t.result, 0);
	assert_int_equal(t.peer.out.sent, 2 * MIB);
	assert_int_equal(t.peer.closes, 1);
}

static void vm_dies(void *arg)
{
	int64_t began;

	(void)arg;
	begin();
	start_readers();
	while (t.read_out < t.peer.out.total || t.read_err < t.peer.err.total)
		if (fiber_sleep_ms(1, &t.e) < 0)
			abort();
	began = clock_now_ms();
	agent_disconnect(t.agent);
	stdio_drain(t.stdio, deadline_in_ms(PATIENCE_MS));
	t.ms = clock_now_ms() - began;
	fiber_group_wait(&t.clients);
	end();
}

static void test_death_of_the_vm_ends_streams(void **state)
{
	(void)state;
	t.peer.ordered = true;
	t.peer.out.total = t.peer.err.total = 100;
	t.peer.out.hold = t.peer.err.hold = true;
	fiber_main(vm_dies, NULL);
	check_outputs(100, 100);
	assert_in_range(t.ms, 0, AT_ONCE_MS);
}

static void write_pattern(struct io *io, uint64_t from, uint64_t to)
{
	auto_free uint8_t *buf = xmalloc(MIB);
	struct err e = ERR_INIT;

	while (from < to) {
		size_t n = to - from < MIB ? (size_t)(to - from) : MIB;

		for (size_t i = 0; i < n; i++)
			buf[i] = peer_pattern(from + i);
		if (io_write(io, buf, n, deadline_in_ms(PATIENCE_MS), &e) < 0)
			t.wrong = true;
		from += n;
	}
}

static void wait_for_close(void)
{
	struct deadline d = deadline_in_ms(PATIENCE_MS);

	while (t.peer.closes == 0)
		if (cond_wait(&t.peer.changed, d, &t.e) < 0)
			break;
}

static void input(void *arg)
{
	struct io *client;

	(void)arg;
	t.params.stdin_uri = t.in;
	begin();
	client = client_open(t.in, O_WRONLY);
	write_pattern(client, 0, 64 * MIB + 11);
	stdio_close_stdin(t.stdio);
	stdio_close_stdin(t.stdio);
	io_free(client);
	wait_for_close();
	end();
}

static void test_input(void **state)
{
	(void)state;
	fiber_main(input, NULL);
	assert_false(t.wrong);
	assert_false(t.peer.got_wrong);
	assert_int_equal(t.peer.got, 64 * MIB + 11);
	assert_int_equal(t.peer.closes, 1);
	assert_int_equal(t.peer.got_at_close, 64 * MIB + 11);
}

static void input_clients_come_and_go(void *arg)
{
	struct io *client;

	(void)arg;
	t.params.stdin_uri = t.in;
	begin();
	client = client_open(t.in, O_WRONLY);
	write_pattern(client, 0, 10);
	io_free(client);
	if (fiber_sleep_ms(50, &t.e) < 0 || t.peer.closes > 0)
		t.early_eof = true; /* a client that left was taken for the end */
	client = client_open(t.in, O_WRONLY);
	write_pattern(client, 10, 30);
	stdio_close_stdin(t.stdio);
	if (fiber_sleep_ms(50, &t.e) < 0 || t.peer.closes > 0)
		t.early_eof = true; /* the client still has its end open */
	write_pattern(client, 30, 35);
	io_free(client);
	wait_for_close();
	end();
}

static void test_input_ends_with_close_io_alone(void **state)
{
	(void)state;
	fiber_main(input_clients_come_and_go, NULL);
	assert_false(t.early_eof);
	assert_false(t.peer.got_wrong);
	assert_int_equal(t.peer.got, 35);
	assert_int_equal(t.peer.got_at_close, 35);
}

static void closed_before_start(void *arg)
{
	struct io *client;

	(void)arg;
	t.params.stdin_uri = t.in;
	t.agent = peer_start(&t.peer);
	t.result = stdio_open(&t.params, deadline_in_ms(PATIENCE_MS), &t.stdio, &t.e);
	client = client_open(t.in, O_WRONLY);
	write_pattern(client, 0, 100);
	io_free(client);
	stdio_close_stdin(t.stdio);
	stdio_attach(t.stdio, t.agent);
	wait_for_close();
	end();
}

static void test_close_io_before_start(void **state)
{
	(void)state;
	fiber_main(closed_before_start, NULL);
	assert_int_equal(t.result, 0);
	assert_int_equal(t.peer.got, 100);
	assert_int_equal(t.peer.got_at_close, 100);
}

/* A terminal has no stderr, and its input is never closed. */
static void test_terminal(void **state)
{
	(void)state;
	t.params.terminal = true;
	t.peer.out.total = 1000;
	t.peer.err.total = 5;
	t.drain_ms = PATIENCE_MS;
	fiber_main(silent_client, NULL);
	assert_int_equal(t.result, 0);
	assert_int_equal(t.peer.out.sent, 1000);
	assert_int_equal(t.peer.err.sent, 0);
	assert_int_equal(t.peer.closes, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_every_byte_arrives),
		CASE(test_answers_that_overtake),
		CASE(test_one_read_at_a_time),
		CASE(test_last_bytes),
		CASE(test_stalled_reader_stalls_itself),
		CASE(test_drain_has_a_deadline),
		CASE(test_end_only_at_the_end),
		CASE(test_nowhere),
		CASE(test_death_of_the_vm_ends_streams),
		CASE(test_input),
		CASE(test_input_ends_with_close_io_alone),
		CASE(test_close_io_before_start),
		CASE(test_terminal),
	};

	(void)alarm(600); /* a stream that hangs fails the test */
	return cmocka_run_group_tests_name("stdio", tests, NULL, NULL);
}
