/* SPDX-License-Identifier: Apache-2.0 */
/* Fifos as containerd's clients open them: in the background, and not always in time. */
#include "tests/lib/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "common/async/fiber.h"
#include "common/async/work.h"
#include "shim/io/endpoint.h"

static char dir[] = "/tmp/husk-test-endpoint-XXXXXX";
static char path[64];

static struct {
	struct err e;
	struct fiber_group group;
	char text[16];
	int64_t ms;
	int r;
} seen;

static int set_up(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	memset(&seen, 0, sizeof(seen));
	(void)snprintf(path, sizeof(path), "%s/stdout", dir);
	return mkfifo(path, 0700);
}

static int tear_down(void **state)
{
	(void)state;
	(void)unlink(path);
	(void)rmdir(dir);
	memcpy(dir + strlen(dir) - 6, "XXXXXX", 6);
	return 0;
}

static void read_it(void *arg)
{
	int fd = open(path, O_RDONLY);

	(void)arg;
	(void)!read(fd, seen.text, sizeof(seen.text) - 1);
	(void)close(fd);
}

static void late_client(void *arg)
{
	(void)arg;
	if (fiber_sleep_ms(100, &seen.e) == 0)
		work_run(read_it, NULL);
}

static void write_and_close(void)
{
	struct endpoint out = ENDPOINT_NONE;

	seen.r = endpoint_open_output(path, DEADLINE_NEVER, &out, &seen.e);
	if (seen.r == 0)
		seen.r = io_write(out.io, "all", 3, DEADLINE_NEVER, &seen.e);
	endpoint_close(&out);
}

static void short_lived(void *arg)
{
	(void)arg;
	fiber_group_start(&seen.group, "client", late_client, NULL);
	write_and_close();
	fiber_group_wait(&seen.group);
}

static void test_a_late_client_gets_all(void **state)
{
	(void)state;
	fiber_main(short_lived, NULL);
	assert_int_equal(seen.r, 0);
	assert_string_equal(seen.text, "all");
}

static void nobody_reads(void *arg)
{
	int64_t start = clock_now_ms();

	(void)arg;
	write_and_close();
	seen.ms = clock_now_ms() - start;
}

static void test_without_a_client_it_goes_on(void **state)
{
	(void)state;
	fiber_main(nobody_reads, NULL);
	assert_int_equal(seen.r, 0);
	assert_true(seen.ms < AT_ONCE_MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_late_client_gets_all, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_without_a_client_it_goes_on, set_up,
						tear_down),
	};

	return cmocka_run_group_tests_name("endpoint", tests, NULL, NULL);
}
