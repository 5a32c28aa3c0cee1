/* SPDX-License-Identifier: Apache-2.0 */
/* Buffers and string arrays. */
#include "tests/lib/test.h"

#include "common/base/mem.h"

static void test_buf(void **state)
{
	auto_buf struct buf b = BUF_INIT;

	(void)state;
	buf_add(&b, "", 0);
	assert_string_equal(b.data, "");
	for (int i = 0; i < 1000; i++)
		buf_addf(&b, "%d,", i % 10);
	assert_int_equal(b.len, 2000);
	assert_int_equal(strlen(b.data), 2000);
	buf_drop_front(&b, 1996);
	assert_string_equal(b.data, "8,9,");
	buf_drop_front(&b, 4);
	assert_string_equal(b.data, "");
	memcpy(buf_reserve(&b, 3), "xyz", 3);
	b.len += 3;
	buf_add(&b, "!", 1);
	assert_string_equal(b.data, "xyz!");
}

static void test_strv(void **state)
{
	auto_strv char **v = NULL;
	auto_free char *none = strv_join(NULL, ", ");
	auto_free char *both = NULL;

	(void)state;
	assert_int_equal(strv_len(NULL), 0);
	strv_add(&v, "a");
	strv_add(&v, "b");
	assert_int_equal(strv_len((const char *const *)v), 2);
	assert_string_equal(v[1], "b");
	assert_null(v[2]);
	both = strv_join((const char *const *)v, ", ");
	assert_string_equal(both, "a, b");
	assert_string_equal(none, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_buf),
		cmocka_unit_test(test_strv),
	};

	return cmocka_run_group_tests_name("mem", tests, NULL, NULL);
}
