/* SPDX-License-Identifier: Apache-2.0 */
/* Strict numbers, at their limits and one past them. */
#include "tests/lib/test.h"

#include "common/base/num.h"

static void test_u64(void **state)
{
	static const struct {
		const char *text;
		int base;
		bool ok;
		uint64_t want;
	} cases[] = {
		{ "0", 10, true, 0 },
		{ "18446744073709551615", 10, true, UINT64_MAX },
		{ "18446744073709551616", 10, false, 0 },
		{ "ffffffffffffffff", 16, true, UINT64_MAX },
		{ "10000000000000000", 16, false, 0 },
		{ "777", 8, true, 511 },
		{ "8", 8, false, 0 },
		{ "", 10, false, 0 },
		{ " 1", 10, false, 0 },
		{ "1 ", 10, false, 0 },
		{ "+1", 10, false, 0 },
		{ "-1", 10, false, 0 },
		{ "0x1", 16, false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t got = 77;

		assert_int_equal(num_u64(cases[i].text, cases[i].base, &got), cases[i].ok);
		assert_true(got == (cases[i].ok ? cases[i].want : 77));
	}
}

static void test_u32_and_i64(void **state)
{
	uint32_t u = 77;
	int64_t i = 77;

	(void)state;
	assert_true(num_u32("4294967295", 10, &u) && u == UINT32_MAX);
	assert_false(num_u32("4294967296", 10, &u));
	assert_true(num_i64("-9223372036854775808", &i) && i == INT64_MIN);
	assert_false(num_i64("-9223372036854775809", &i));
	assert_true(num_i64("9223372036854775807", &i) && i == INT64_MAX);
	assert_false(num_i64("9223372036854775808", &i));
	assert_false(num_i64("-", &i));
	assert_false(num_i64("--1", &i));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_u64),
		cmocka_unit_test(test_u32_and_i64),
	};

	return cmocka_run_group_tests_name("num", tests, NULL, NULL);
}
