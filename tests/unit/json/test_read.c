/* SPDX-License-Identifier: Apache-2.0 */
/* Structs by table: every kind, presence, and the place of everything that does not fit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/json/json.h"

struct limit {
	char *type;
	uint64_t soft;
};

struct thing {
	bool terminal, has_uid;
	uint32_t uid;
	uint64_t size;
	int64_t score;
	char *cwd;
	char **args;
	uint32_t *groups;
	size_t n_groups;
	struct json_map labels;
	struct limit inner, *pointer, *limits;
	size_t n_limits;
};

static const char *const types[] = { "cpu", "memory", NULL };

static const struct json_field limit_fields[] = {
	{ "type", JSON_STRING, offsetof(struct limit, type), .flags = JSON_REQUIRED,
	  .words = types },
	{ "soft", JSON_U64, offsetof(struct limit, soft), .flags = 0 },
	{ .key = NULL },
};

#define AT(member) offsetof(struct thing, member)

static const struct json_field thing_fields[] = {
	{ "cwd", JSON_STRING, AT(cwd), .flags = JSON_REQUIRED | JSON_NONEMPTY },
	{ "terminal", JSON_BOOL, AT(terminal), .flags = 0 },
	{ "uid", JSON_U32, AT(uid), .has = JSON_HAS(AT(has_uid)) },
	{ "size", JSON_U64, AT(size), .flags = 0 },
	{ "score", JSON_I64, AT(score), .flags = 0 },
	{ "args", JSON_STRINGS, AT(args), .flags = JSON_NONEMPTY },
	{ "groups", JSON_U32S, AT(groups), .count = AT(n_groups) },
	{ "labels", JSON_STRING_MAP, AT(labels), .flags = 0 },
	{ "inner", JSON_OBJECT, AT(inner), .fields = limit_fields },
	{ "pointer", JSON_OBJECT_PTR, AT(pointer), .fields = limit_fields,
	  .size = sizeof(struct limit) },
	{ "limits", JSON_OBJECTS, AT(limits), .fields = limit_fields, .size = sizeof(struct limit),
	  .count = AT(n_limits) },
	{ "listener", JSON_REFUSED, .flags = 0 },
	{ "vm", JSON_IGNORED, .flags = 0 },
	{ .key = NULL },
};

static int read_text(const char *text, const char *name, struct thing *t, struct err *e)
{
	auto_json struct json *v = NULL;

	assert_int_equal(json_parse(text, strlen(text), &v, e), 0);
	memset(t, 0, sizeof(*t));
	return json_read(v, name, thing_fields, t, e);
}

static void test_everything(void **state)
{
	struct err e = ERR_INIT;
	struct thing t;

	(void)state;
	assert_int_equal(
		read_text(
			"{\"cwd\":\"/\",\"terminal\":true,\"uid\":4294967295,"
			"\"size\":18446744073709551615,\"score\":-1000,\"args\":[\"a\",\"\"],"
			"\"groups\":[0,7],\"labels\":{\"k\":\"v\",\"e\":\"\"},"
			"\"inner\":{\"type\":\"cpu\"},\"pointer\":{\"type\":\"memory\",\"soft\":3},"
			"\"limits\":[{\"type\":\"cpu\",\"soft\":1},{\"type\":\"memory\"}],"
			"\"vm\":[1],\"unheard\":{\"of\":1},\"listener\":\"\"}",
			"", &t, &e),
		0);
	assert_string_equal(t.cwd, "/");
	assert_true(t.terminal);
	assert_true(t.has_uid);
	assert_true(t.uid == UINT32_MAX);
	assert_true(t.size == UINT64_MAX);
	assert_int_equal(t.score, -1000);
	assert_string_equal(t.args[0], "a");
	assert_string_equal(t.args[1], "");
	assert_null(t.args[2]);
	assert_int_equal(t.n_groups, 2);
	assert_int_equal(t.groups[1], 7);
	assert_string_equal(json_map_get(&t.labels, "k"), "v");
	assert_string_equal(json_map_get(&t.labels, "e"), "");
	assert_null(json_map_get(&t.labels, "v"));
	assert_string_equal(t.inner.type, "cpu");
	assert_int_equal(t.pointer->soft, 3);
	assert_int_equal(t.n_limits, 2);
	assert_string_equal(t.limits[1].type, "memory");

	json_release(thing_fields, &t);
	assert_null(t.cwd);
	assert_null(t.args);
	assert_null(t.groups);
	assert_null(t.pointer);
	assert_null(t.limits);
	assert_int_equal(t.n_limits, 0);
	assert_int_equal(t.labels.n, 0);
	json_release(thing_fields, &t);
}

static void test_absent_and_null(void **state)
{
	static const char *const texts[] = {
		"{\"cwd\":\"/\"}",
		"{\"cwd\":\"/\",\"uid\":null,\"args\":null,\"groups\":null,\"labels\":null,"
		"\"inner\":null,\"pointer\":null,\"limits\":null,\"terminal\":null,\"listener\":null}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct err e = ERR_INIT;
		struct thing t;

		assert_int_equal(read_text(texts[i], "", &t, &e), 0);
		assert_false(t.has_uid);
		assert_null(t.args);
		assert_null(t.groups);
		assert_null(t.pointer);
		assert_int_equal(t.n_limits, 0);
		json_release(thing_fields, &t);
	}
}

static void test_errors_name_the_place(void **state)
{
	static const struct {
		const char *text, *error;
		enum err_code code;
	} rows[] = {
		{ "[]", "process: not an object", ERR_INVALID },
		{ "{}", "process.cwd: missing", ERR_INVALID },
		{ "{\"cwd\":null}", "process.cwd: missing", ERR_INVALID },
		{ "{\"cwd\":\"\"}", "process.cwd: empty", ERR_INVALID },
		{ "{\"cwd\":1}", "process.cwd: not a string", ERR_INVALID },
		{ "{\"cwd\":\"/\",\"terminal\":0}", "process.terminal: not true or false",
		  ERR_INVALID },
		{ "{\"cwd\":\"/\",\"uid\":-1}", "process.uid: not a number from 0 to 4294967295",
		  ERR_INVALID },
		{ "{\"cwd\":\"/\",\"uid\":4294967296}",
		  "process.uid: not a number from 0 to 4294967295", ERR_INVALID },
		{ "{\"cwd\":\"/\",\"uid\":1.0}", "process.uid: not a number from 0 to 4294967295",
		  ERR_INVALID },
		{ "{\"cwd\":\"/\",\"size\":18446744073709551616}",
		  "process.size: not a number from 0 to 18446744073709551615", ERR_INVALID },
		{ "{\"cwd\":\"/\",\"score\":9223372036854775808}",
		  "process.score: not a number from -9223372036854775808 to 9223372036854775807",
		  ERR_INVALID },
		{ "{\"cwd\":\"/\",\"args\":[]}", "process.args: empty", ERR_INVALID },
		{ "{\"cwd\":\"/\",\"args\":{}}", "process.args: not an array", ERR_INVALID },
		{ "{\"cwd\":\"/\",\"args\":[\"a\",null]}", "process.args[1]: not a string",
		  ERR_INVALID },
		{ "{\"cwd\":\"/\",\"groups\":[1,\"2\"]}",
		  "process.groups[1]: not a number from 0 to 4294967295", ERR_INVALID },
		{ "{\"cwd\":\"/\",\"labels\":{\"a.b\":\"c\",\"d.e\":1}}",
		  "process.labels[\"d.e\"]: not a string", ERR_INVALID },
		{ "{\"cwd\":\"/\",\"labels\":[]}", "process.labels: not an object", ERR_INVALID },
		{ "{\"cwd\":\"/\",\"inner\":{\"soft\":1}}", "process.inner.type: missing",
		  ERR_INVALID },
		{ "{\"cwd\":\"/\",\"pointer\":{\"type\":\"disk\"}}",
		  "process.pointer.type: 'disk' is not one of cpu, memory", ERR_INVALID },
		{ "{\"cwd\":\"/\",\"limits\":[{\"type\":\"cpu\"},{\"type\":\"cpu\",\"soft\":-1}]}",
		  "process.limits[1].soft: not a number from 0 to 18446744073709551615",
		  ERR_INVALID },
		{ "{\"cwd\":\"/\",\"limits\":[null]}", "process.limits[0]: not an object",
		  ERR_INVALID },
		{ "{\"cwd\":\"/\",\"listener\":\"/run/x\"}", "process.listener: not supported",
		  ERR_UNSUPPORTED },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err e = ERR_INIT;
		struct thing t;

		assert_int_equal(read_text(rows[i].text, "process", &t, &e), -1);
		assert_string_equal(e.text, rows[i].error);
		assert_int_equal(e.code, rows[i].code);
		assert_null(t.cwd);
	}
}

static void test_document_has_no_name(void **state)
{
	struct err e = ERR_INIT;
	struct thing t;

	(void)state;
	assert_int_equal(read_text("[]", "", &t, &e), -1);
	assert_string_equal(e.text, "not an object");
	assert_int_equal(read_text("{\"cwd\":\"/\",\"inner\":1}", "", &t, &e), -1);
	assert_string_equal(e.text, "inner: not an object");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_everything),
		cmocka_unit_test(test_absent_and_null),
		cmocka_unit_test(test_errors_name_the_place),
		cmocka_unit_test(test_document_has_no_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
