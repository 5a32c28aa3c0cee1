/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors in fibers: streams, ends, deadlines, shutdown, regular files. */
#include "tests/lib/test.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <time.h>

#include "common/async/fiber.h"
#include "common/async/io.h"
#include "common/base/mem.h"

#define STREAM_BYTES (8u << 20)

static struct {
	struct io *a, *b;
	struct err e;
	ssize_t r;
	size_t got;
	bool intact;
	struct cond answered;
	struct fiber_group group;
} seen;

static int reset(void **state)
{
	(void)state;
	memset(&seen, 0, sizeof(seen));
	return 0;
}

static void open_pair(void)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		abort();
	seen.a = io_consume(fds[0], &seen.e);
	seen.b = io_consume(fds[1], &seen.e);
}

static void close_pair(void)
{
	io_free(seen.a);
	io_free(seen.b);
}

static void reader(void *arg)
{
	char buf[7000];
	ssize_t n;

	(void)arg;
	seen.intact = true;
	while ((n = io_read(seen.b, buf, sizeof(buf), deadline_in_ms(PATIENCE_MS), &seen.e)) > 0) {
		for (ssize_t i = 0; i < n; i++)
			if (buf[i] != (char)((seen.got + (size_t)i) % 251))
				seen.intact = false;
		seen.got += (size_t)n;
	}
	seen.r = n;
}

static void stream(void *arg)
{
	char *data = xmalloc(STREAM_BYTES);

	(void)arg;
	open_pair();
	for (size_t i = 0; i < STREAM_BYTES; i++)
		data[i] = (char)(i % 251);
	fiber_group_start(&seen.group, "reader", reader, NULL);
	if (io_write(seen.a, data, STREAM_BYTES, deadline_in_ms(PATIENCE_MS), &seen.e) == 0)
		(void)shutdown(io_fd(seen.a), SHUT_WR);
	fiber_group_wait(&seen.group);
	free(data);
	close_pair();
}

static void test_stream(void **state)
{
	(void)state;
	fiber_main(stream, NULL);
	assert_int_equal(seen.r, 0);
	assert_int_equal(seen.got, STREAM_BYTES);
	assert_true(seen.intact);
}

static void deadline(void *arg)
{
	char c;

	(void)arg;
	open_pair();
	seen.r = io_read(seen.b, &c, 1, deadline_in_ms(20), &seen.e);
	close_pair();
}

static void test_read_deadline(void **state)
{
	(void)state;
	fiber_main(deadline, NULL);
	assert_int_equal(seen.r, -1);
	assert_int_equal(seen.e.code, ERR_TIMEOUT);
}

static void read_answer(void *arg)
{
	struct err e = ERR_INIT;
	char c;

	(void)arg;
	if (io_read(seen.b, &c, 1, DEADLINE_NEVER, &e) > 0) {
		seen.got++;
		cond_wake_all(&seen.answered);
	}
}

static void wait_for_answer(void *arg)
{
	const struct deadline d = deadline_in_ms(20);

	(void)arg;
	while (seen.got == 0 && seen.r == 0)
		seen.r = cond_wait(&seen.answered, d, &seen.e);
	io_shutdown(seen.b);
}

/* The process gets no processor from the moment at which the answer (there is one or not) comes. */
static void stall(void *arg)
{
	const struct timespec long_after = { .tv_nsec = 300 * 1000000l };
	const bool *answered = arg;

	open_pair();
	fiber_group_start(&seen.group, "reader", read_answer, NULL);
	fiber_group_start(&seen.group, "caller", wait_for_answer, NULL);
	fiber_yield();
	if (*answered && write(io_fd(seen.a), "x", 1) < 0)
		abort();
	(void)nanosleep(&long_after, NULL);
	fiber_group_wait(&seen.group);
	close_pair();
}

static void test_answer_in_time_is_found_after_a_stall(void **state)
{
	bool answered = true;

	(void)state;
	fiber_main(stall, &answered);
	assert_ok((int)seen.r, &seen.e);
}

static void test_deadline_is_over_after_a_stall(void **state)
{
	bool answered = false;

	(void)state;
	fiber_main(stall, &answered);
	assert_int_equal(seen.r, -1);
	assert_int_equal(seen.e.code, ERR_TIMEOUT);
}

static void shut_while_reading(void *arg)
{
	(void)arg;
	open_pair();
	fiber_group_start(&seen.group, "reader", reader, NULL);
	fiber_yield();
	io_shutdown(seen.b);
	fiber_group_wait(&seen.group);
	close_pair();
}

static void test_shutdown_wakes_the_reader(void **state)
{
	(void)state;
	fiber_main(shut_while_reading, NULL);
	assert_int_equal(seen.r, -1);
	assert_int_equal(seen.e.code, ERR_UNAVAILABLE);
}

static void short_message(void *arg)
{
	char buf[8];

	(void)arg;
	open_pair();
	if (io_write(seen.a, "abc", 3, DEADLINE_NEVER, &seen.e) < 0)
		abort();
	io_free(seen.a);
	seen.a = NULL;
	seen.r = io_read_exactly(seen.b, buf, sizeof(buf), deadline_in_ms(PATIENCE_MS), &seen.e);
	close_pair();
}

static void test_read_exactly_meets_the_end(void **state)
{
	(void)state;
	fiber_main(short_message, NULL);
	assert_int_equal(seen.r, -1);
	assert_int_equal(seen.e.code, ERR_UNAVAILABLE);
}

static void write_to_gone(void *arg)
{
	(void)arg;
	open_pair();
	io_free(seen.b);
	seen.b = NULL;
	seen.r = io_write(seen.a, "x", 1, deadline_in_ms(PATIENCE_MS), &seen.e);
	close_pair();
}

static void test_write_to_a_gone_peer(void **state)
{
	(void)state;
	fiber_main(write_to_gone, NULL);
	assert_int_equal(seen.r, -1);
	assert_int_equal(seen.e.code, ERR_UNAVAILABLE);
}

static void regular_file(void *arg)
{
	char path[] = "/tmp/husk-test-XXXXXX";
	char buf[8];
	int fd = mkstemp(path);

	(void)arg;
	(void)unlink(path);
	seen.a = io_consume(fd, &seen.e);
	if (!seen.a || io_write(seen.a, "hello", 5, DEADLINE_NEVER, &seen.e) < 0)
		return;
	(void)lseek(io_fd(seen.a), 0, SEEK_SET);
	seen.r = io_read(seen.a, buf, sizeof(buf), DEADLINE_NEVER, &seen.e);
	io_free(seen.a);
}

static void test_regular_file(void **state)
{
	(void)state;
	fiber_main(regular_file, NULL);
	assert_int_equal(seen.r, 5);
}

static void bad_descriptor(void *arg)
{
	(void)arg;
	seen.a = io_consume(9999, &seen.e);
}

static void test_bad_descriptor(void **state)
{
	(void)state;
	fiber_main(bad_descriptor, NULL);
	assert_null(seen.a);
	assert_int_equal(seen.e.sys, EBADF);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_stream, reset),
		cmocka_unit_test_setup(test_read_deadline, reset),
		cmocka_unit_test_setup(test_answer_in_time_is_found_after_a_stall, reset),
		cmocka_unit_test_setup(test_deadline_is_over_after_a_stall, reset),
		cmocka_unit_test_setup(test_shutdown_wakes_the_reader, reset),
		cmocka_unit_test_setup(test_read_exactly_meets_the_end, reset),
		cmocka_unit_test_setup(test_write_to_a_gone_peer, reset),
		cmocka_unit_test_setup(test_regular_file, reset),
		cmocka_unit_test_setup(test_bad_descriptor, reset),
	};

	return cmocka_run_group_tests_name("io", tests, NULL, NULL);
}
