/* SPDX-License-Identifier: Apache-2.0 */
/* Processes on record: written, read, and ended only if they are still the same. */
#include "tests/lib/test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "hypervisor/hypervisor.h"
#include "hypervisor/record.h"

static char dir[64];

static int set_up(void **state)
{
	(void)state;
	(void)snprintf(dir, sizeof(dir), "/tmp/husk-record-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int tear_down(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	return path_remove_tree(AT_FDCWD, dir, &e);
}

static pid_t start_sleeper(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		(void)pause();
		_exit(0);
	}
	return pid;
}

/* The signal that ended it; 0 if it still runs, which it does not afterwards. */
static int signal_of(pid_t pid)
{
	int status = 0;

	if (waitpid(pid, &status, WNOHANG) == 0) {
		(void)kill(pid, SIGTERM);
		(void)waitpid(pid, &status, 0);
		return 0;
	}
	return WIFSIGNALED(status) ? WTERMSIG(status) : -1;
}

static void test_round_trip(void **state)
{
	struct record in[2] = { { .name = "qemu", .pid = 4711, .start_time = UINT64_C(1) << 40 },
				{ .name = "virtiofsd", .pid = 2, .start_time = 0 } };
	struct record out[RECORDS_MAX];
	struct err e = ERR_INIT;

	(void)state;
	assert_ok(records_write(dir, in, 2, &e), &e);
	assert_int_equal(records_read(dir, out, &e), 2);
	for (int i = 0; i < 2; i++) {
		assert_string_equal(out[i].name, in[i].name);
		assert_int_equal(out[i].pid, in[i].pid);
		assert_int_equal(out[i].start_time, in[i].start_time);
	}
	records_remove(dir);
	assert_int_equal(records_read(dir, out, &e), 0);
}

static void test_kills_what_is_recorded(void **state)
{
	struct record r = { .name = "sleeper", .pid = start_sleeper() };
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(record_start_time(r.pid, &r.start_time), 0);
	assert_ok(records_write(dir, &r, 1, &e), &e);
	assert_ok(hv_clean_up(dir, &e), &e);
	assert_int_equal(signal_of(r.pid), SIGKILL);
	assert_ok(hv_clean_up(dir, &e), &e); /* nothing left, nothing to do */
}

static void test_spares_a_stranger(void **state)
{
	struct record r = { .name = "sleeper", .pid = start_sleeper() };
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(record_start_time(r.pid, &r.start_time), 0);
	r.start_time--;
	assert_ok(records_write(dir, &r, 1, &e), &e);
	assert_ok(hv_clean_up(dir, &e), &e);
	assert_int_equal(signal_of(r.pid), 0);
}

static void test_what_is_no_record(void **state)
{
	static const char *const texts[] = {
		"{\"processes\":[{\"name\":\"a\",\"pid\":1,\"start_time\":1}]}", /* init */
		"{\"processes\":[{\"name\":\"a\",\"pid\":-5,\"start_time\":1}]}",
		"{\"processes\":[{\"name\":\"a\",\"pid\":99999999999,\"start_time\":1}]}",
		"{\"processes\":[{\"pid\":5,\"start_time\":1}]}",
		"{\"processes\":[{\"name\":\"a\",\"pid\":5}]}",
		"{\"processes\":[7]}",
		"{\"processes\":[1,2,3,4,5,6,7,8,9]}",
		"{\"processes\":[",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		auto_close int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		struct err e = ERR_INIT;

		assert_ok(file_replace(fd, RECORDS_FILE, texts[i], strlen(texts[i]), &e), &e);
		assert_err(hv_clean_up(dir, &e), &e, ERR_INVALID, "");
	}
}

static void test_no_directory(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	assert_ok(hv_clean_up("/nonexistent/husk", &e), &e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_kills_what_is_recorded),
		cmocka_unit_test(test_spares_a_stranger),
		cmocka_unit_test(test_what_is_no_record),
		cmocka_unit_test(test_no_directory),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
