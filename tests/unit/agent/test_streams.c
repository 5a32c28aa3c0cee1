/* SPDX-License-Identifier: Apache-2.0 */
/* Standard streams over pipes: order, end, what is left at the end, input that stalls. */
#include "tests/lib/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "agent/process/streams.h"
#include "common/async/fiber.h"
#include "common/base/fd.h"
#include "common/base/mem.h"

#define LIMIT deadline_in_ms(PATIENCE_MS)

static struct {
	struct out_stream *out;
	struct in_stream *in;
	int theirs; /* the process's end */
	char log[256];
	int ok;
	struct err e;
} t;

/* A host that takes what is moved to it, until it is lost after so many bytes. */
static struct {
	size_t lost_after, moved;
	int moves;
	char bytes[1u << 20];
} host;

static int reset(void **state)
{
	(void)state;
	memset(&t, 0, sizeof(t));
	memset(&host, 0, sizeof(host));
	host.lost_after = sizeof(host.bytes);
	return 0;
}

static void open_out(void)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		abort();
	t.out = out_stream_consume(fds[0], &t.e);
	t.theirs = fds[1];
}

static void open_in(void)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		abort();
	t.in = in_stream_consume(fds[1], false, &t.e);
	t.theirs = fds[0];
}

static void say(const char *text)
{
	if (write_all(t.theirs, text, strlen(text)) < 0)
		abort();
}

/* "abc " for data, "- " for the end, "! " for an error. */
static void read_once(size_t max)
{
	uint8_t *data = NULL;
	size_t len = 0;
	int r = out_stream_read(t.out, max, NULL, &data, &len, LIMIT, &t.e);
	size_t used = strlen(t.log);

	if (r < 0)
		(void)snprintf(t.log + used, sizeof(t.log) - used, "! ");
	else if (len == 0)
		(void)snprintf(t.log + used, sizeof(t.log) - used, "- ");
	else
		(void)snprintf(t.log + used, sizeof(t.log) - used, "%.*s ", (int)len, data);
	free(data);
}

static void read_to_end(void *arg)
{
	(void)arg;
	open_out();
	say("abcde");
	read_once(3);
	read_once(100);
	say("f");
	(void)close(t.theirs);
	read_once(100);
	read_once(100);
	read_once(100);
	t.ok = out_stream_finished(t.out) && out_stream_used(t.out);
	out_stream_free(t.out);
}

static void test_read_to_end(void **state)
{
	(void)state;
	fiber_main(read_to_end, NULL);
	assert_string_equal(t.log, "abc de f - - ");
	assert_true(t.ok);
}

static void two_bytes(void *arg)
{
	(void)arg;
	read_once(2);
}

/* Three that wait are served in the order in which they came, whenever the data does. */
static void in_order(void *arg)
{
	struct fiber_group g = FIBER_GROUP_INIT;

	(void)arg;
	open_out();
	for (int i = 0; i < 3; i++) {
		fiber_group_start(&g, "reader", two_bytes, NULL);
		fiber_yield();
	}
	say("aabbcc");
	fiber_group_wait(&g);
	(void)close(t.theirs);
	out_stream_free(t.out);
}

static void test_in_order(void **state)
{
	(void)state;
	fiber_main(in_order, NULL);
	assert_string_equal(t.log, "aa bb cc ");
}

/* Somebody else holds the pipe open: what was written before the end is still there. */
static void ended(void *arg)
{
	(void)arg;
	open_out();
	say("rest");
	out_stream_end(t.out);
	read_once(2);
	read_once(2);
	read_once(2);
	say("late");
	read_once(2);
	(void)close(t.theirs);
	out_stream_free(t.out);
}

static void test_ended(void **state)
{
	(void)state;
	fiber_main(ended, NULL);
	assert_string_equal(t.log, "re st - - ");
}

static void ended_while_waiting(void *arg)
{
	struct fiber_group g = FIBER_GROUP_INIT;

	(void)arg;
	open_out();
	fiber_group_start(&g, "reader", two_bytes, NULL);
	fiber_group_start(&g, "reader", two_bytes, NULL);
	fiber_yield();
	out_stream_end(t.out);
	fiber_group_wait(&g);
	(void)close(t.theirs);
	out_stream_free(t.out);
}

static void test_ended_while_waiting(void **state)
{
	(void)state;
	fiber_main(ended_while_waiting, NULL);
	assert_string_equal(t.log, "- - ");
}

/* A reader that is cancelled (its connection is lost) takes nothing and makes way. */
static void cancelled(void *arg)
{
	struct fiber_group lost = FIBER_GROUP_INIT;
	struct fiber_group g = FIBER_GROUP_INIT;

	(void)arg;
	open_out();
	fiber_group_start(&lost, "reader", two_bytes, NULL);
	fiber_yield();
	fiber_group_start(&g, "reader", two_bytes, NULL);
	fiber_yield();
	fiber_group_cancel(&lost);
	fiber_group_wait(&lost);
	say("zz");
	fiber_group_wait(&g);
	(void)close(t.theirs);
	out_stream_free(t.out);
}

static void test_cancelled(void **state)
{
	(void)state;
	fiber_main(cancelled, NULL);
	assert_string_equal(t.log, "! zz ");
}

static void dropped(void *arg)
{
	(void)arg;
	open_out();
	say("unread");
	t.ok = !out_stream_used(t.out);
	out_stream_drop(t.out);
	read_once(2);
	t.ok = t.ok && out_stream_read(t.out, 0, NULL, &(uint8_t *){ NULL }, &(size_t){ 0 }, LIMIT,
				       &t.e) < 0;
	(void)close(t.theirs);
	out_stream_free(t.out);
}

static void test_dropped(void **state)
{
	(void)state;
	fiber_main(dropped, NULL);
	assert_string_equal(t.log, "- ");
	assert_true(t.ok);
}

static int move(void *arg, int pipe, size_t len, struct err *e)
{
	size_t room = host.lost_after - host.moved;
	size_t n = len < room ? len : room;

	(void)arg;
	host.moves++;
	if (read(pipe, host.bytes + host.moved, n) != (ssize_t)n)
		abort();
	host.moved += n;
	return n == len ? 0 : err_set(e, ERR_UNAVAILABLE, "connection lost");
}

/* What comes, moved or read, must be the pattern's bytes from t.ok on. */
static int take(size_t max, bool may_move)
{
	const struct out_stream_mover mover = { move, NULL };
	size_t before = host.moved, len = 0;
	auto_free uint8_t *data = NULL;
	int r = out_stream_read(t.out, max, may_move ? &mover : NULL, &data, &len, LIMIT, &t.e);
	const uint8_t *bytes = data ? data : (const uint8_t *)host.bytes + before;
	size_t n = r == 0 ? len : host.moved - before;

	for (size_t i = 0; i < n; i++)
		assert_int_equal(bytes[i], (uint8_t)((t.ok + (int)i) % 251));
	t.ok += (int)n;
	return r == 0 ? (int)len : -1;
}

static void open_large(size_t len)
{
	auto_free char *bytes = xmalloc(len);

	for (size_t i = 0; i < len; i++)
		bytes[i] = (char)(i % 251);
	open_out();
	if (fcntl(t.theirs, F_SETPIPE_SZ, 1 << 20) < 0 || write_all(t.theirs, bytes, len) < 0)
		abort();
}

/* Much is moved, in pieces of what was asked for; little is read; then comes the end. */
static void moved(void *arg)
{
	(void)arg;
	open_large(300000);
	(void)close(t.theirs);
	assert_int_equal(take(100000, true), 100000);
	assert_int_equal(take(199000, true), 199000);
	assert_int_equal(host.moves, 2);
	assert_int_equal(take(100000, true), 1000);
	assert_int_equal(take(100000, true), 0);
	assert_int_equal(host.moves, 2);
	out_stream_free(t.out);
}

/* The host is lost in the middle: the next one gets what was not moved first, then the rest. */
static void moved_in_part(void *arg)
{
	(void)arg;
	open_large(300000);
	(void)close(t.theirs);
	host.lost_after = 30000;
	assert_int_equal(take(200000, true), -1);
	host.lost_after = sizeof(host.bytes);
	out_stream_end(t.out);
	assert_int_equal(take(50000, true), 50000); /* less than is on its way: read */
	assert_int_equal(take(10000, false), 10000);
	assert_int_equal(take(200000, true), 110000);
	assert_int_equal(take(200000, true), 100000);
	assert_int_equal(take(200000, true), 0);
	assert_true(out_stream_finished(t.out));
	out_stream_free(t.out);
}

static void say_in_pieces(void *arg)
{
	struct err e = ERR_INIT;

	(void)arg;
	for (int i = 0; i < 40; i++) {
		say("a");
		if (i % 10 == 9 && fiber_sleep_ms(1, &e) < 0)
			abort();
		else
			fiber_yield();
	}
}

/* The first piece comes at once; of those that follow closely several come together. */
static void pieces(void *arg)
{
	struct fiber_group g = FIBER_GROUP_INIT;
	size_t got = 0;

	(void)arg;
	open_out();
	say("a");
	read_once(100);
	assert_string_equal(t.log, "a ");
	fiber_group_start(&g, "writer", say_in_pieces, NULL);
	while (got < 40) {
		auto_free uint8_t *data = NULL;
		size_t len;

		if (out_stream_read(t.out, 100, NULL, &data, &len, LIMIT, &t.e) < 0)
			abort();
		got += len;
		t.ok++;
	}
	assert_in_range(t.ok, 2, 30);
	fiber_group_wait(&g);
	(void)close(t.theirs);
	out_stream_free(t.out);
}

IN_FIBER(moved)
IN_FIBER(moved_in_part)
IN_FIBER(pieces)

static void input(void *arg)
{
	char got[8] = "";

	(void)arg;
	open_in();
	t.ok = in_stream_write(t.in, "hello", 5, LIMIT, &t.e) == 0 &&
	       in_stream_close(t.in, LIMIT, &t.e) == 0 && in_stream_close(t.in, LIMIT, &t.e) == 0 &&
	       read_full(t.theirs, got, sizeof(got)) == 5 && strcmp(got, "hello") == 0 &&
	       in_stream_write(t.in, "x", 1, LIMIT, &t.e) < 0 && t.e.code == ERR_STATE;
	(void)close(t.theirs);
	in_stream_free(t.in);
}

static void test_input(void **state)
{
	(void)state;
	fiber_main(input, NULL);
	assert_true(t.ok);
}

static void write_much(void *arg)
{
	static char big[1u << 20];

	(void)arg;
	if (in_stream_write(t.in, big, sizeof(big), LIMIT, &t.e) < 0 && t.e.code == ERR_STATE)
		t.ok++;
}

/* Nobody reads: the writer waits and is let go by the shutdown, with those behind it. */
static void input_stalls(void *arg)
{
	struct fiber_group g = FIBER_GROUP_INIT;
	struct err e = ERR_INIT;

	(void)arg;
	open_in();
	fiber_group_start(&g, "writer", write_much, NULL);
	fiber_group_start(&g, "writer", write_much, NULL);
	if (fiber_sleep_ms(20, &e) < 0 || t.ok > 0)
		abort();
	in_stream_shutdown(t.in);
	fiber_group_wait(&g);
	(void)close(t.theirs);
	in_stream_free(t.in);
}

static void test_input_stalls(void **state)
{
	(void)state;
	fiber_main(input_stalls, NULL);
	assert_int_equal(t.ok, 2);
}

static void reader_gone(void *arg)
{
	(void)arg;
	open_in();
	(void)close(t.theirs);
	t.ok = in_stream_write(t.in, "x", 1, LIMIT, &t.e) < 0 && t.e.code == ERR_STATE;
	in_stream_free(t.in);
}

static void test_reader_gone(void **state)
{
	(void)state;
	fiber_main(reader_gone, NULL);
	assert_true(t.ok);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_read_to_end, reset),
		cmocka_unit_test_setup(test_in_order, reset),
		cmocka_unit_test_setup(test_ended, reset),
		cmocka_unit_test_setup(test_ended_while_waiting, reset),
		cmocka_unit_test_setup(test_cancelled, reset),
		cmocka_unit_test_setup(test_dropped, reset),
		cmocka_unit_test_setup(test_moved, reset),
		cmocka_unit_test_setup(test_moved_in_part, reset),
		cmocka_unit_test_setup(test_pieces, reset),
		cmocka_unit_test_setup(test_input, reset),
		cmocka_unit_test_setup(test_input_stalls, reset),
		cmocka_unit_test_setup(test_reader_gone, reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
