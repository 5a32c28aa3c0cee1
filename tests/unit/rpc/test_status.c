/* SPDX-License-Identifier: Apache-2.0 */
/* Error codes to the wire and back. */
#include "tests/lib/test.h"

#include "common/rpc/status.h"

static void test_ours_come_back(void **state)
{
	(void)state;
	for (int code = ERR_INVALID; code <= ERR_INTERNAL; code++) {
		enum rpc_status s = rpc_status_of((enum err_code)code);

		assert_int_not_equal(s, RPC_OK);
		assert_int_equal(rpc_err_code_of((int32_t)s), code);
	}
}

static void test_numbers(void **state)
{
	static const struct {
		enum err_code ours;
		int32_t wire; /* google.rpc.Code */
	} rows[] = {
		{ ERR_NONE, 2 },      { ERR_CANCELLED, 1 },    { ERR_INVALID, 3 },
		{ ERR_TIMEOUT, 4 },   { ERR_NOT_FOUND, 5 },    { ERR_EXISTS, 6 },
		{ ERR_DENIED, 7 },    { ERR_EXHAUSTED, 8 },    { ERR_STATE, 9 },
		{ ERR_INTERNAL, 13 }, { ERR_UNSUPPORTED, 12 }, { ERR_UNAVAILABLE, 14 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(rpc_status_of(rows[i].ours), rows[i].wire);
}

/* A peer may send any number; none of them may read as success. */
static void test_foreign_numbers(void **state)
{
	static const int32_t foreign[] = { INT32_MIN, -1, 0, 2, 10, 11, 15, 16, 17, INT32_MAX };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(foreign); i++)
		assert_int_not_equal(rpc_err_code_of(foreign[i]), ERR_NONE);
}

static void test_long_text_is_cut(void **state)
{
	static uint8_t text[ERR_TEXT_MAX + 10];
	struct err e = ERR_INIT;

	(void)state;
	memset(text, 'x', sizeof(text));
	assert_int_equal(rpc_status_to_err(5, (struct slice){ text, sizeof(text) }, &e), -1);
	assert_int_equal(strlen(e.text), ERR_TEXT_MAX - 1);
	assert_int_equal(e.code, ERR_NOT_FOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ours_come_back),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_foreign_numbers),
		cmocka_unit_test(test_long_text_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
