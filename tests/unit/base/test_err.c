/* SPDX-License-Identifier: Apache-2.0 */
/* Errors: codes, wrapping, cutting. */
#include "tests/lib/test.h"

#include "common/base/mem.h"

static void test_set_wrap_append(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(err_sys(&e, ENOENT, "open '%s'", "f"), -1);
	assert_int_equal(e.code, ERR_NOT_FOUND);
	assert_int_equal(e.sys, ENOENT);
	assert_int_equal(err_wrap(&e, "start sandbox %d", 7), -1);
	assert_int_equal(err_append(&e, "console: %s", "bye"), -1);
	assert_string_equal(e.text,
			    "start sandbox 7: open 'f': No such file or directory; console: bye");
	assert_int_equal(e.code, ERR_NOT_FOUND);
}

static void test_codes_of_errnos(void **state)
{
	static const struct {
		int sys;
		enum err_code want;
	} cases[] = {
		{ ESRCH, ERR_NOT_FOUND },
		{ EEXIST, ERR_EXISTS },
		{ EINVAL, ERR_INVALID },
		{ EACCES, ERR_DENIED },
		{ ENOSPC, ERR_EXHAUSTED },
		{ ETIMEDOUT, ERR_TIMEOUT },
		{ ECONNREFUSED, ERR_UNAVAILABLE },
		{ ENOSYS, ERR_UNSUPPORTED },
		{ EIO, ERR_INTERNAL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = ERR_INIT;

		err_sys(&e, cases[i].sys, "x");
		assert_int_equal(e.code, cases[i].want);
	}
}

static void test_long_texts_are_cut(void **state)
{
	auto_free char *big = xmalloc(3 * ERR_TEXT_MAX);
	struct err e = ERR_INIT;

	(void)state;
	memset(big, 'x', 3 * ERR_TEXT_MAX);
	big[3 * ERR_TEXT_MAX - 1] = '\0';
	err_set(&e, ERR_INVALID, "%s", big);
	assert_int_equal(strlen(e.text), ERR_TEXT_MAX - 1);
	err_wrap(&e, "first");
	assert_int_equal(strlen(e.text), ERR_TEXT_MAX - 1);
	assert_memory_equal(e.text, "first: xxx", 10);
	err_append(&e, "more");
	err_sys(&e, EIO, "%s", big);
	assert_int_equal(strlen(e.text), ERR_TEXT_MAX - 1);
}

static void test_one_line(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	err_set(&e, ERR_INVALID, "first\nsecond\r\n");
	err_one_line(&e);
	assert_string_equal(e.text, "first second  ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_set_wrap_append),
		cmocka_unit_test(test_codes_of_errnos),
		cmocka_unit_test(test_long_texts_are_cut),
		cmocka_unit_test(test_one_line),
	};

	return cmocka_run_group_tests_name("err", tests, NULL, NULL);
}
