/* SPDX-License-Identifier: Apache-2.0 */
/* Small texts: every letter of json_object(), escaping, what is left out. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/json/json.h"

static void test_letters(void **state)
{
	static const char *const words[] = { "a", "b", NULL };
	auto_free char *inner = json_object("u:n", 7ULL, NULL);
	auto_free char *all = json_object("s:s", "t", "b:yes", 1, "b:no", 0, "u:u", ULLONG_MAX,
					  "i:i", LLONG_MIN, "v:v", words, "o:o", inner, NULL);

	(void)state;
	assert_string_equal(all, "{\"s\":\"t\",\"yes\":true,\"no\":false,"
				 "\"u\":18446744073709551615,\"i\":-9223372036854775808,"
				 "\"v\":[\"a\",\"b\"],\"o\":{\"n\":7}}");
}

static void test_null_leaves_out(void **state)
{
	auto_free char *none =
		json_object("s:s", (const char *)NULL, "v:v", (const char *const *)NULL, "o:o",
			    (const char *)NULL, NULL);
	auto_free char *empty = json_object(NULL, NULL);

	(void)state;
	assert_string_equal(none, "{}");
	assert_string_equal(empty, "{}");
}

static void test_strings(void **state)
{
	auto_free char *text = json_object("s:a\"b", "x\"\\\n\t/\x01\xc3\xa9\xff", NULL);

	(void)state;
	assert_string_equal(text, "{\"a\\\"b\":\"x\\\"\\\\\\n\\t/\\u0001\xc3\xa9?\"}");
}

static void test_array(void **state)
{
	static const char *const two[] = { "{\"a\":1}", "[]", NULL };
	auto_free char *text = json_array(two);
	auto_free char *none = json_array(NULL);
	auto_free char *outer = json_object("o:list", text, NULL);

	(void)state;
	assert_string_equal(text, "[{\"a\":1},[]]");
	assert_string_equal(none, "[]");
	assert_string_equal(outer, "{\"list\":[{\"a\":1},[]]}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_letters),
		cmocka_unit_test(test_null_leaves_out),
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_array),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
