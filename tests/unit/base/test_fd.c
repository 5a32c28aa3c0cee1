/* SPDX-License-Identifier: Apache-2.0 */
/* Whole reads and writes, small files. */
#include "tests/lib/test.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "common/base/fd.h"
#include "common/base/path.h"

static char dir_path[] = "/tmp/husk-test-fd-XXXXXX";
static int dir;

static int set_up(void **state)
{
	(void)state;
	if (!mkdtemp(dir_path))
		return -1;
	dir = open(dir_path, O_RDONLY | O_DIRECTORY);
	return dir < 0;
}

static int tear_down(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	(void)close(dir);
	return path_remove_tree(AT_FDCWD, dir_path, &e);
}

static void test_replace_and_read(void **state)
{
	auto_free char *text = NULL;
	struct err e = ERR_INIT;
	struct stat st;
	size_t len;

	(void)state;
	assert_ok(file_replace(dir, "state", "old", 3, &e), &e);
	assert_ok(file_replace(dir, "state", "newer\n", 6, &e), &e);
	assert_ok(file_read(dir, "state", 6, &text, &len, &e), &e);
	assert_string_equal(text, "newer\n");
	assert_int_equal(len, 6);
	assert_int_equal(fstatat(dir, "state", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(fstatat(dir, ".state.new", &st, 0), -1);
	free(take_ptr(text));
	assert_ok(file_read_line(dir, "state", &text, &e), &e);
	assert_string_equal(text, "newer");
}

static void test_limit_is_exact(void **state)
{
	char *text = NULL;
	struct err e = ERR_INIT;

	(void)state;
	assert_ok(file_replace(dir, "limit", "12345678", 8, &e), &e);
	assert_ok(file_read(dir, "limit", 8, &text, NULL, &e), &e);
	free(text);
	assert_err(file_read(dir, "limit", 7, &text, NULL, &e), &e, ERR_EXHAUSTED, "limit");
	assert_err(file_read(dir, "absent", 7, &text, NULL, &e), &e, ERR_NOT_FOUND, "absent");
}

static void test_proc_files_have_no_size(void **state)
{
	auto_free char *text = NULL;
	struct err e = ERR_INIT;

	(void)state;
	assert_ok(file_read(AT_FDCWD, "/proc/self/status", 1 << 16, &text, NULL, &e), &e);
	assert_non_null(strstr(text, "Name:"));
}

static void test_write(void **state)
{
	auto_free char *text = NULL;
	struct err e = ERR_INIT;

	(void)state;
	assert_ok(file_replace(dir, "cpu.max", "", 0, &e), &e);
	assert_ok(file_writef(dir, "cpu.max", &e, "%d %d", 5, 10), &e);
	assert_ok(file_read_line(dir, "cpu.max", &text, &e), &e);
	assert_string_equal(text, "5 10");
	assert_err(file_write(dir, "absent", "x", 1, &e), &e, ERR_NOT_FOUND, "absent");
}

static void test_move_up(void **state)
{
	int fd = open("/dev/null", O_RDONLY);
	int up = fd_move_up(fd, 100);

	(void)state;
	assert_true(up >= 100);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	assert_int_equal(fcntl(up, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fd_move_up(up, 50), up);
	(void)close(up);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_replace_and_read),
		cmocka_unit_test(test_limit_is_exact),
		cmocka_unit_test(test_proc_files_have_no_size),
		cmocka_unit_test(test_write),
		cmocka_unit_test(test_move_up),
	};

	return cmocka_run_group_tests_name("fd", tests, set_up, tear_down);
}
