/* SPDX-License-Identifier: Apache-2.0 */
/* Texts to trees: what is taken, what is refused and where, the limits, the getters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/mem.h"
#include "common/json/json.h"

static struct json *must_parse(const char *text)
{
	struct err e = ERR_INIT;
	struct json *v = NULL;

	if (json_parse(text, strlen(text), &v, &e) < 0)
		fail_msg("%s: %s", text, e.text);
	return v;
}

static void test_getters(void **state)
{
	auto_json struct json *v =
		must_parse("{\"return\": {\"fd\": 7, \"low\": -9223372036854775808,"
			   " \"big\": 18446744073709551615, \"half\": 0.5},"
			   " \"list\": [\"a\", null, true], \"id\": \"x\\u00e9\"}");
	uint64_t u = 0;
	int64_t i = 0;
	bool b = false;

	(void)state;
	assert_true(json_u64(json_get(v, "return", "fd"), &u));
	assert_int_equal(u, 7);
	assert_true(json_u64(json_get(v, "return", "big"), &u));
	assert_true(u == UINT64_MAX);
	assert_false(json_i64(json_get(v, "return", "big"), &i));
	assert_true(json_i64(json_get(v, "return", "low"), &i));
	assert_true(i == INT64_MIN);
	assert_false(json_u64(json_get(v, "return", "low"), &u));
	assert_false(json_u64(json_get(v, "return", "half"), &u));
	assert_false(json_u64(json_get(v, "id"), &u));
	assert_string_equal(json_string(json_get(v, "id")), "x\xc3\xa9");

	assert_int_equal(json_len(json_get(v, "list")), 3);
	assert_string_equal(json_string(json_at(json_get(v, "list"), 0)), "a");
	assert_int_equal(json_type(json_at(json_get(v, "list"), 1)), JSON_TYPE_NULL);
	assert_true(json_bool(json_at(json_get(v, "list"), 2), &b) && b);
	assert_null(json_at(json_get(v, "list"), 3));
	assert_null(json_key(json_get(v, "list"), 0));

	assert_int_equal(json_len(v), 3);
	assert_string_equal(json_key(v, 1), "list");
	assert_null(json_key(v, 3));

	/* What is not there, at any step. */
	assert_null(json_get(v, "event"));
	assert_null(json_get(v, "id", "fd"));
	assert_null(json_get(v, "list", "a"));
	assert_null(json_get(NULL, "return"));
	assert_null(json_string(json_get(v, "error", "desc")));
	assert_int_equal(json_type(NULL), JSON_TYPE_NULL);
	assert_int_equal(json_len(NULL), 0);
}

static void test_any_value_is_a_text(void **state)
{
	static const struct {
		const char *text;
		enum json_type type;
	} rows[] = {
		{ "null", JSON_TYPE_NULL }, { " true\n", JSON_TYPE_BOOL },
		{ "-0", JSON_TYPE_NUMBER }, { "\"\"", JSON_TYPE_STRING },
		{ "[]", JSON_TYPE_ARRAY },  { "{}", JSON_TYPE_OBJECT },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_json struct json *v = must_parse(rows[i].text);

		assert_int_equal(json_type(v), rows[i].type);
	}
}

static void test_refused(void **state)
{
	static const struct {
		const char *text, *error;
	} rows[] = {
		{ "", "line 1, byte 1: parse error: premature EOF" },
		{ "{\n \"a\": [1,\n", "line 3, byte 1: parse error: premature EOF" },
		{ "{\n \"a\": 1,\n  oops",
		  "line 3, byte 3: lexical error: invalid char in json text." },
		{ "{} {}", "line 1, byte 4: parse error: trailing garbage" },
		{ "[1,]",
		  "line 1, byte 4: parse error: unallowed token at this point in JSON text" },
		{ "{\"a\":1,\n\"a\":2}", "line 2, byte 6: a member is given twice in an object" },
		{ "{\"c\":{}, \"a\":1, \"b\":2, \"a\":3}",
		  "line 1, byte 29: a member is given twice in an object" },
		{ "[\"a\\u0000b\"]", "line 1, byte 11: a NUL in a string" },
		{ "{\"\\u0000\": 1}", "line 1, byte 9: a NUL in a string" },
		{ "[\"\xc0\x80\"]", "line 1, byte 5: a string is not UTF-8" },
		{ "[\"\xed\xa0\x80\"]", "line 1, byte 6: a string is not UTF-8" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err e = ERR_INIT;
		struct json *v = NULL;

		assert_int_equal(json_parse(rows[i].text, strlen(rows[i].text), &v, &e), -1);
		assert_null(v);
		assert_int_equal(e.code, ERR_INVALID);
		assert_string_equal(e.text, rows[i].error);
	}
}

/* `inner` between n of open and n of close. */
static char *nested(const char *open, const char *inner, const char *close, size_t n)
{
	struct buf b = BUF_INIT;

	for (size_t i = 0; i < n; i++)
		buf_addf(&b, "%s", open);
	buf_addf(&b, "%s", inner);
	for (size_t i = 0; i < n; i++)
		buf_addf(&b, "%s", close);
	return b.data;
}

static void check_limit(const char *text, size_t len, bool passes, const char *error)
{
	auto_json struct json *v = NULL;
	struct err e = ERR_INIT;

	assert_int_equal(json_parse(text, len, &v, &e), passes ? 0 : -1);
	if (!passes) {
		assert_int_equal(e.code, ERR_EXHAUSTED);
		assert_non_null(strstr(e.text, error));
	}
}

static void test_limits(void **state)
{
	auto_free char *deepest = nested("[", "1", "]", JSON_DEPTH_MAX);
	auto_free char *too_deep = nested("{\"a\":", "1", "}", JSON_DEPTH_MAX + 1);
	auto_buf struct buf many = BUF_INIT;
	auto_free char *blanks = xmalloc(JSON_TEXT_MAX + 2);

	(void)state;
	check_limit(deepest, strlen(deepest), true, NULL);
	check_limit(too_deep, strlen(too_deep), false, "nested too deeply");

	/* The array itself is a value too. */
	buf_addf(&many, "[0");
	for (size_t i = 1; i < JSON_VALUES_MAX - 1; i++)
		buf_add(&many, ",0", 2);
	buf_add(&many, "]", 1);
	check_limit(many.data, many.len, true, NULL);
	many.len--;
	buf_add(&many, ",0]", 3);
	check_limit(many.data, many.len, false, "too many values");

	memset(blanks, ' ', JSON_TEXT_MAX + 2);
	blanks[0] = '1';
	check_limit(blanks, JSON_TEXT_MAX, true, NULL);
	check_limit(blanks, JSON_TEXT_MAX + 1, false, "the limit is");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_getters),
		cmocka_unit_test(test_any_value_is_a_text),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
