/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The TOML parser: every error with its line, the limits, the tree. The language itself is covered
 * by the public toml-test cases (tests/component/toml-test.sh).
 */
#include "tests/lib/test.h"

#include "common/base/mem.h"
#include "config/toml.h"

static int parse(const char *text, struct toml_value **ret, struct err *e)
{
	return toml_parse(text, strlen(text), "file", ret, e);
}

static void test_errors_name_line_and_reason(void **state)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{ "a = 1\nb", "file:2: expected '=' after the key, found end of file" },
		{ "a = 1\n= 2", "file:2: expected a key, found '='" },
		{ "a. = 1", "file:1: expected a key, found '='" },
		{ "a = ", "file:1: expected a value, found end of file" },
		{ "a = \n", "file:1: expected a value, found end of line" },
		{ "a = \r\n", "file:1: expected a value, found end of line" },
		{ "a = 1 b = 2", "file:1: expected end of line, found 'b'" },
		{ "\n\na = nope", "file:3: 'nope' is not a value (strings need quotes)" },
		{ "a = 01", "'01' is not a value" },
		{ "a = 1__0", "'1__0' is not a value" },
		{ "a = +0x1", "'+0x1' is not a value" },
		{ "a = 1.", "'1.' is not a value" },
		{ "a = 9223372036854775808", "'9223372036854775808' is not a value" },
		{ "a = 2023-02-29", "file:1: '2023-02-29' is not a date or time" },
		{ "a = 24:00:00", "'24:00:00' is not a date or time" },
		{ "a = 1979-05-27T00:00:00+25:00", "is not a date or time" },
		{ "\na = \"x", "file:2: the string that begins here has no end" },
		{ "a = \"x\ny\"", "file:1: the string has no end on its line" },
		{ "a = '''\n\n\n", "file:1: the string that begins here has no end" },
		{ "a = \"\\q\"", "file:1: unknown escape: \\ before 'q'" },
		{ "a = \"\\u12\"", "expected 4 hexadecimal digits after \\u, found '\"'" },
		{ "a = \"\\U0000d800\"", "U+D800 is not a Unicode character" },
		{ "a = \"\\U00110000\"", "U+110000 is not a Unicode character" },
		{ "\"\"\"a\"\"\" = 1", "a key cannot be a multi-line string" },
		{ "a = [1 2]", "expected ',' or ']' in the array, found '2'" },
		{ "a = [\n1,\n", "file:3: expected a value, found end of file" },
		{ "a = {b = 1 c = 2}", "expected ',' or '}' in the inline table, found 'c'" },
		{ "a = {b = 1,}", "expected a key, found '}'" },
		{ "a = {\n}", "expected a key, found end of line" },
		{ "a = 1\n\na = 2", "file:3: 'a' is already defined in line 1" },
		{ "[a]\n[a]", "file:2: 'a' is already defined in line 1" },
		{ "[[a]]\n[a]", "file:2: 'a' is already defined in line 1" },
		{ "a = []\n[[a]]", "file:2: 'a' is already defined in line 1" },
		{ "[a]\nb.c = 1\n[a.b]", "file:3: 'b' is already defined in line 2" },
		{ "a = {}\na.b = 1", "file:2: 'a' is already defined in line 1" },
		{ "[a.b]\n[a]\nb.c = 1", "file:3: 'b' is already defined in line 1" },
		{ "a = 1\n[a.b]", "file:2: 'a' is already defined in line 1" },
		{ "[a", "expected ']' after the table's name, found end of file" },
		{ "[[a]", "expected ']]' after the table's name, found ']'" },
		{ "[]", "expected a key, found ']'" },
		{ "\n# \x01", "file:2: control character 0x01" },
		{ "a = 1\r", "file:1: control character 0x0d" },
		{ "\xff", "file:1: byte 0xff is not UTF-8" },
		{ "a = \"\xc0\x80\"", "byte 0xc0 is not UTF-8" },
		{ "a = \"\xed\xa0\x80\"", "byte 0xed is not UTF-8" },
		{ "a = \"\xe2\x82", "byte 0xe2 is not UTF-8" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct toml_value *root = NULL;
		struct err e;

		assert_err(parse(cases[i].text, &root, &e), &e, ERR_INVALID, cases[i].want);
		assert_null(root);
	}
}

static void test_tree(void **state)
{
	static const char text[] = "\xef\xbb\xbf# comment\r\n"
				   "name = \"a\\tb\\u00e9\"\n"
				   "\n"
				   "[t.\"x y\"] # header\n"
				   "n = -17\n"
				   "f = 1_0.5e1\n"
				   "on = true\n"
				   "when = 1979-05-27 07:32:00z\n"
				   "list = [ 'a', # first\n"
				   "  'b',\n"
				   "]\n"
				   "inner = { k.l = 1 }\n"
				   "[[t.many]]\n"
				   "[[t.many]]\n"
				   "z = '''\n1\\\n'''\n";
	auto_toml struct toml_value *root = NULL;
	const struct toml_value *t, *v;
	struct err e = ERR_INIT;

	(void)state;
	assert_ok(parse(text, &root, &e), &e);
	v = toml_find(root, "name");
	assert_int_equal(v->type, TOML_STRING);
	assert_string_equal(v->text.data, "a\tb\xc3\xa9");
	assert_int_equal(v->line, 2);

	t = toml_find(toml_find(root, "t"), "x y");
	assert_int_equal(t->line, 4);
	assert_int_equal(toml_find(t, "n")->integer, -17);
	assert_true(toml_find(t, "f")->real == 105.0);
	assert_true(toml_find(t, "on")->boolean);
	v = toml_find(t, "when");
	assert_int_equal(v->type, TOML_DATETIME);
	assert_string_equal(v->text.data, "1979-05-27T07:32:00Z");
	v = toml_find(t, "list");
	assert_int_equal(v->type, TOML_ARRAY);
	assert_int_equal(v->line, 9);
	assert_string_equal(v->list.last->text.data, "b");
	assert_int_equal(v->list.last->line, 10);
	v = toml_find(toml_find(toml_find(t, "inner"), "k"), "l");
	assert_int_equal(v->integer, 1);

	v = toml_find(toml_find(root, "t"), "many");
	assert_null(v->list.first->list.first);
	v = toml_find(v->list.last, "z");
	assert_string_equal(v->text.data, "1\\\n");
	assert_int_equal(v->line, 15);
	assert_null(toml_find(root, "absent"));
}

/* Exactly the limit passes, one more does not. */
static void test_limits(void **state)
{
	struct toml_value *root = NULL;
	struct err e = ERR_INIT;
	struct buf text = BUF_INIT;

	(void)state;
	buf_addf(&text, "a = ");
	for (unsigned i = 0; i < TOML_DEPTH_MAX - 1; i++)
		buf_addf(&text, "[");
	for (unsigned i = 0; i < TOML_DEPTH_MAX - 1; i++)
		buf_addf(&text, "]");
	assert_ok(parse(text.data, &root, &e), &e);
	toml_free(root);
	memcpy(text.data, "a =[", 4);
	buf_addf(&text, "]");
	assert_err(parse(text.data, &root, &e), &e, ERR_INVALID, "inside each other");
	buf_done(&text);

	text = BUF_INIT;
	buf_addf(&text, "a = [");
	for (unsigned i = 0; i < TOML_VALUES_MAX - 1; i++)
		buf_addf(&text, "1,");
	buf_addf(&text, "]");
	assert_ok(parse(text.data, &root, &e), &e);
	toml_free(root);
	text.len--;
	buf_addf(&text, "1]");
	assert_err(parse(text.data, &root, &e), &e, ERR_EXHAUSTED, "more than 10000 values");
	buf_done(&text);

	text = BUF_INIT;
	for (unsigned i = 0; i < TOML_TEXT_MAX; i++)
		buf_add(&text, "\n", 1);
	assert_ok(toml_parse(text.data, text.len, "file", &root, &e), &e);
	toml_free(root);
	buf_add(&text, "\n", 1);
	assert_err(toml_parse(text.data, text.len, "file", &root, &e), &e, ERR_EXHAUSTED,
		   "file: 1048577 bytes");
	buf_done(&text);
}

/* A key of many parts is a depth too, and a file may be cut anywhere. */
static void test_dotted_depth_and_prefixes(void **state)
{
	static const char text[] = "[a.\"b\"]\nx.y = [1, {k = \"\"\"\nv\"\"\"}]\n[[c]]\nd = 1e1\n";
	struct toml_value *root = NULL;
	struct err e = ERR_INIT;
	struct buf key = BUF_INIT;

	(void)state;
	for (unsigned i = 0; i <= TOML_DEPTH_MAX; i++)
		buf_addf(&key, "%sa", i ? "." : "");
	buf_addf(&key, " = 1");
	assert_err(parse(key.data, &root, &e), &e, ERR_INVALID, "a key of more than 32 parts");
	buf_done(&key);

	for (size_t len = 0; len < sizeof(text); len++) {
		auto_free char *copy = xmemdup(text, len);
		struct err ignored = ERR_INIT;

		root = NULL;
		if (toml_parse(copy, len, "file", &root, &ignored) == 0)
			toml_free(root);
		else
			assert_null(root);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_errors_name_line_and_reason),
		cmocka_unit_test(test_tree),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_dotted_depth_and_prefixes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
