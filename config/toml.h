/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_CONFIG_TOML_H
#define HUSK_CONFIG_TOML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/cleanup.h"
#include "common/base/err.h"

/*
 * TOML 1.0.0 (https://toml.io/en/v1.0.0) to a tree that remembers line numbers. All of the
 * language, checked against the public toml-test cases (tests/component/toml-test.sh).
 *
 * No I/O. The text may come from anybody: sizes below are refused one past the limit, and nesting
 * is bounded, because the parser recurses.
 */

#define TOML_TEXT_MAX   (1u << 20) /* bytes of a document */
#define TOML_VALUES_MAX 10000u     /* keys, array elements and tables of a document */
#define TOML_DEPTH_MAX  32u        /* tables and arrays inside each other */

enum toml_type {
	TOML_STRING,
	TOML_INTEGER,
	TOML_FLOAT,
	TOML_BOOLEAN,
	TOML_DATETIME, /* with offset; these four carry normalised text: 'T' between, 'Z' upper case */
	TOML_DATETIME_LOCAL,
	TOML_DATE_LOCAL,
	TOML_TIME_LOCAL,
	TOML_ARRAY,
	TOML_TABLE,
};

struct toml_value {
	enum toml_type type;
	unsigned line; /* 1-based: of the key, of the table's header, of the element */

	char *key; /* in a table; NUL-terminated, but a quoted key may hold NUL bytes itself */
	size_t key_len;

	union {
		struct {
			char *data; /* NUL-terminated behind len; UTF-8; may hold NUL bytes */
			size_t len;
		} text; /* TOML_STRING and the four kinds of time */
		int64_t integer;
		double real;
		bool boolean;
		struct {
			struct toml_value *first, *last; /* in the order of the document */
		} list;                                  /* TOML_ARRAY and TOML_TABLE */
	};

	struct toml_value *next; /* its sibling in the table or array */
	uint8_t origin;          /* the parser's own: how a table or array came to be */
};

/*
 * Parse text[0..len). `name` is what the document is called in errors: "<name>:<line>: <what>".
 * *ret is the root table, for toml_free(). ERR_INVALID for what is not TOML, ERR_EXHAUSTED for what
 * is too large.
 */
int toml_parse(const char *text, size_t len, const char *name, struct toml_value **ret,
	       struct err *e) must_check;
void toml_free(struct toml_value *v);

static inline void toml_free_slot(struct toml_value **v)
{
	toml_free(*v);
}
#define auto_toml CLEANUP(toml_free_slot)

/* Borrowed, or NULL if the table has no such key. */
struct toml_value *toml_find(const struct toml_value *table, const char *key) must_check;

/* For messages: "a string", "an integer", … */
const char *toml_type_name(enum toml_type type);

#endif
