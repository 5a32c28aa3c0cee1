/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TOML on standard input to the tagged JSON of the public toml-test suite on standard output
 * (https://github.com/toml-lang/toml-test, "JSON encoding"); exit code 1 where it is not TOML.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "common/base/fd.h"
#include "config/toml.h"

static void print_text(const char *s, size_t len)
{
	putchar('"');
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c == '"' || c == '\\')
			printf("\\%c", c);
		else if (c < 0x20)
			printf("\\u%04x", c);
		else
			putchar(c);
	}
	putchar('"');
}

static void print_real(double value)
{
	if (isnan(value))
		printf("{\"type\":\"float\",\"value\":\"nan\"}");
	else if (isinf(value))
		printf("{\"type\":\"float\",\"value\":\"%sinf\"}", value < 0 ? "-" : "");
	else
		printf("{\"type\":\"float\",\"value\":\"%.17g\"}", value);
}

static void print_value(const struct toml_value *v);

static void print_list(const struct toml_value *v)
{
	bool is_table = v->type == TOML_TABLE;

	putchar(is_table ? '{' : '[');
	for (const struct toml_value *child = v->list.first; child; child = child->next) {
		if (child != v->list.first)
			putchar(',');
		if (is_table) {
			print_text(child->key, child->key_len);
			putchar(':');
		}
		print_value(child);
	}
	putchar(is_table ? '}' : ']');
}

static void print_value(const struct toml_value *v)
{
	static const char *const tags[] = {
		[TOML_STRING] = "string",
		[TOML_DATETIME] = "datetime",
		[TOML_DATETIME_LOCAL] = "datetime-local",
		[TOML_DATE_LOCAL] = "date-local",
		[TOML_TIME_LOCAL] = "time-local",
	};

	switch (v->type) {
	case TOML_STRING:
	case TOML_DATETIME:
	case TOML_DATETIME_LOCAL:
	case TOML_DATE_LOCAL:
	case TOML_TIME_LOCAL:
		printf("{\"type\":\"%s\",\"value\":", tags[v->type]);
		print_text(v->text.data, v->text.len);
		putchar('}');
		break;
	case TOML_INTEGER:
		printf("{\"type\":\"integer\",\"value\":\"%" PRId64 "\"}", v->integer);
		break;
	case TOML_FLOAT:
		print_real(v->real);
		break;
	case TOML_BOOLEAN:
		printf("{\"type\":\"bool\",\"value\":\"%s\"}", v->boolean ? "true" : "false");
		break;
	case TOML_ARRAY:
	case TOML_TABLE:
		print_list(v);
		break;
	}
}

int main(void)
{
	auto_toml struct toml_value *root = NULL;
	auto_free char *text = NULL;
	struct err e = ERR_INIT;
	size_t len;

	if (fd_read_all(STDIN_FILENO, TOML_TEXT_MAX, "standard input", &text, &len, &e) < 0 ||
	    toml_parse(text, len, "stdin", &root, &e) < 0) {
		fprintf(stderr, "%s\n", e.text);
		return 1;
	}
	print_value(root);
	putchar('\n');
	return 0;
}
