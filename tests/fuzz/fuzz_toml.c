/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a TOML document: refused with file and line, or a tree that is within the limits,
 * with sane lines and no key twice.
 */
#include <stdlib.h>
#include <string.h>

#include "config/toml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct limits {
	unsigned lines, values;
};

static void check(bool holds)
{
	if (!holds)
		abort();
}

/* A header's path, and what nests in a value below it, are bounded each. */
static void check_value(const struct toml_value *v, struct limits *l, unsigned depth)
{
	check(depth <= 2 * TOML_DEPTH_MAX + 1);
	check(v->line >= 1 && v->line <= l->lines);
	check(l->values++ <= TOML_VALUES_MAX);
	if (v->type == TOML_STRING || (v->type >= TOML_DATETIME && v->type <= TOML_TIME_LOCAL))
		check(v->text.data && v->text.data[v->text.len] == '\0');
	if (v->type != TOML_TABLE && v->type != TOML_ARRAY)
		return;
	for (const struct toml_value *child = v->list.first; child; child = child->next) {
		check((child->key != NULL) == (v->type == TOML_TABLE));
		check(child->next || child == v->list.last);
		/* The first of that name is itself, unless a NUL cuts the name short. */
		if (child->key && strlen(child->key) == child->key_len)
			check(toml_find(v, child->key) == child);
		check_value(child, l, depth + 1);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_toml struct toml_value *root = NULL;
	struct limits l = { .lines = 1 };
	struct err e = ERR_INIT;

	for (size_t i = 0; i < size; i++)
		l.lines += data[i] == '\n';
	if (toml_parse((const char *)data, size, "fuzz", &root, &e) < 0)
		check(e.code != ERR_NONE && strncmp(e.text, "fuzz:", 5) == 0);
	else
		check_value(root, &l, 0);
	return 0;
}
