/* SPDX-License-Identifier: Apache-2.0 */
/* Texts: every letter of json_object(), escaping, what is left out; value by value. */
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

static void test_value_by_value(void **state)
{
	struct json_writer *w = json_writer_new();
	auto_free char *text = NULL;

	(void)state;
	json_write_object(w);
	json_write_string(w, "a");
	json_write_array(w);
	json_write_u64(w, UINT64_MAX);
	json_write_i64(w, INT64_MIN);
	json_write_bool(w, true);
	json_write_text(w, "{\"ready\":null}");
	json_write_array_end(w);
	json_write_string(w, "b");
	json_write_object(w);
	json_write_object_end(w);
	json_write_object_end(w);
	text = json_writer_finish(w);
	assert_string_equal(text, "{\"a\":[18446744073709551615,-9223372036854775808,true,"
				  "{\"ready\":null}],\"b\":{}}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_letters),        cmocka_unit_test(test_null_leaves_out),
		cmocka_unit_test(test_strings),        cmocka_unit_test(test_array),
		cmocka_unit_test(test_value_by_value),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
