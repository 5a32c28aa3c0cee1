/* SPDX-License-Identifier: Apache-2.0 */
/* Single values of the configuration; see value.h. */
#include "config/value.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/id.h"
#include "common/base/num.h"
#include "common/base/path.h"

static void *slot(struct config *c, const struct config_key *key)
{
	return (char *)c + key->offset;
}

static void replace_string(struct config *c, const struct config_key *key, char *value)
{
	char **at = slot(c, key);

	free(*at);
	*at = value;
}

static bool find_word(const char *const *words, const char *word, unsigned *ret)
{
	for (unsigned i = 0; words && words[i]; i++) {
		if (strcmp(words[i], word) == 0) {
			*ret = i;
			return true;
		}
	}
	return false;
}

/* The first of "a:b:c" that is there, else the first. */
static char *first_existing(const char *places)
{
	for (const char *p = places;; p++) {
		size_t len = strcspn(p, ":");
		auto_free char *path = xstrndup(p, len);

		if (access(path, X_OK) == 0)
			return take_ptr(path);
		p += len;
		if (!*p)
			return xstrndup(places, strcspn(places, ":"));
	}
}

void config_set_built_in(struct config *c, const struct config_key *key)
{
	unsigned word = 0;

	switch (key->kind) {
	case CONFIG_STRING:
		replace_string(c, key, xstrdup(key->built_in));
		break;
	case CONFIG_PROGRAM:
		replace_string(c, key, first_existing(key->built_in));
		break;
	case CONFIG_LIST:
		break;
	case CONFIG_BOOL:
		*(bool *)slot(c, key) = strcmp(key->built_in, "true") == 0;
		break;
	case CONFIG_NUMBER:
		(void)num_u32(key->built_in, 10, slot(c, key));
		break;
	case CONFIG_DECIMAL:
		*(uint32_t *)slot(c, key) = (uint32_t)lround(strtod(key->built_in, NULL) * 1000);
		break;
	case CONFIG_CHOICE:
		(void)find_word(key->words, key->built_in, &word);
		*(unsigned *)slot(c, key) = word;
		break;
	}
}

static int wrong_type(const char *wanted, const struct toml_value *v, struct err *e)
{
	return err_set(e, ERR_INVALID, "must be %s, found %s", wanted, toml_type_name(v->type));
}

static int wrong_word(const struct config_key *key, const char *word, struct err *e)
{
	auto_buf struct buf list = BUF_INIT;

	for (size_t i = 0; key->words[i]; i++)
		buf_addf(&list, "%s\"%s\"",
			 i == 0                      ? ""
			 : key->words[i + 1] != NULL ? ", "
						     : " or ",
			 key->words[i]);
	return err_set(e, ERR_INVALID, "must be %s, found \"%s\"", list.data, word);
}

/* One line of text: nothing that could end a kernel command line, an argument or a log line. */
static int check_text(const struct toml_value *v, struct err *e)
{
	if (v->type != TOML_STRING)
		return wrong_type("a string", v, e);
	if (v->text.len > CONFIG_STRING_MAX)
		return err_set(e, ERR_INVALID, "must have at most %d bytes, found %zu",
			       CONFIG_STRING_MAX, v->text.len);
	for (size_t i = 0; i < v->text.len; i++)
		if ((unsigned char)v->text.data[i] < 0x20 || v->text.data[i] == 0x7f)
			return err_set(e, ERR_INVALID,
				       "must be one line without control characters");
	return 0;
}

static int set_string(struct config *c, const struct config_key *key, const struct toml_value *v,
		      struct err *e)
{
	const char *text;
	unsigned ignored;

	if (check_text(v, e) < 0)
		return -1;
	text = v->text.data;
	switch (key->check) {
	case CONFIG_ANY:
	case CONFIG_POWER_OF_TWO:
		break;
	case CONFIG_PATH_OR_EMPTY:
	case CONFIG_PATH:
		if (!*text && key->check == CONFIG_PATH_OR_EMPTY)
			break;
		if (!path_is_clean(text))
			return err_set(e, ERR_INVALID,
				       "must be an absolute path without '.', '..' and '//', "
				       "found \"%s\"",
				       text);
		break;
	case CONFIG_NAME:
		if (!id_valid(text))
			return err_set(e, ERR_INVALID, "must be a name, found \"%s\"", text);
		break;
	case CONFIG_WORD:
		if (find_word(key->ignored_words, text, &ignored))
			return 1;
		if (!find_word(key->words, text, &ignored))
			return wrong_word(key, text, e);
		break;
	}
	replace_string(c, key, xstrdup(text));
	return 0;
}

static int set_list(struct config *c, const struct config_key *key, const struct toml_value *v,
		    struct err *e)
{
	char ***at = slot(c, key);
	auto_strv char **list = NULL;

	if (v->type != TOML_ARRAY)
		return wrong_type("an array of strings", v, e);
	for (const struct toml_value *item = v->list.first; item; item = item->next) {
		if (check_text(item, e) < 0)
			return err_wrap(e, "each element");
		if (list && strv_len((const char *const *)list) == CONFIG_LIST_MAX)
			return err_set(e, ERR_INVALID, "must have at most %d elements",
				       CONFIG_LIST_MAX);
		strv_add(&list, item->text.data);
	}
	strv_free(*at);
	*at = take_ptr(list);
	return 0;
}

static int set_number(struct config *c, const struct config_key *key, const struct toml_value *v,
		      struct err *e)
{
	int64_t n;

	if (v->type == TOML_INTEGER)
		n = v->integer;
	else if (v->type == TOML_FLOAT && v->real >= 0 && v->real <= UINT32_MAX &&
		 v->real == (double)(uint32_t)v->real)
		n = (int64_t)v->real; /* Kata's Rust runtime has default_vcpus = 1.0 */
	else
		return wrong_type("a whole number", v, e);
	if (n < key->min || n > key->max)
		return err_set(e, ERR_INVALID, "must be from %u to %u, found %lld", key->min,
			       key->max, (long long)n);
	if (key->check == CONFIG_POWER_OF_TWO && (n & (n - 1)) != 0)
		return err_set(e, ERR_INVALID, "must be a power of two, found %lld", (long long)n);
	*(uint32_t *)slot(c, key) = (uint32_t)n;
	return 0;
}

static int set_decimal(struct config *c, const struct config_key *key, const struct toml_value *v,
		       struct err *e)
{
	double n;

	if (v->type == TOML_INTEGER)
		n = (double)v->integer;
	else if (v->type == TOML_FLOAT)
		n = v->real;
	else
		return wrong_type("a number", v, e);
	if (!(n >= key->min && n <= key->max)) /* nor is "not a number" */
		return err_set(e, ERR_INVALID, "must be from %u to %u, found %g", key->min,
			       key->max, n);
	*(uint32_t *)slot(c, key) = (uint32_t)lround(n * 1000);
	return 0;
}

int config_set(struct config *c, const struct config_key *key, const struct toml_value *v,
	       struct err *e)
{
	unsigned word = 0;

	switch (key->kind) {
	case CONFIG_STRING:
	case CONFIG_PROGRAM:
		return set_string(c, key, v, e);
	case CONFIG_LIST:
		return set_list(c, key, v, e);
	case CONFIG_BOOL:
		if (v->type != TOML_BOOLEAN)
			return wrong_type("true or false", v, e);
		*(bool *)slot(c, key) = v->boolean;
		return 0;
	case CONFIG_NUMBER:
		return set_number(c, key, v, e);
	case CONFIG_DECIMAL:
		return set_decimal(c, key, v, e);
	case CONFIG_CHOICE:
		if (check_text(v, e) < 0)
			return -1;
		if (!find_word(key->words, v->text.data, &word))
			return wrong_word(key, v->text.data, e);
		*(unsigned *)slot(c, key) = word;
		return 0;
	}
	return 0;
}

void config_clear(struct config *c, const struct config_key *key)
{
	if (key->kind == CONFIG_STRING || key->kind == CONFIG_PROGRAM) {
		replace_string(c, key, NULL);
	} else if (key->kind == CONFIG_LIST) {
		char ***at = slot(c, key);

		strv_free(*at);
		*at = NULL;
	}
}

static void print_string(const char *s, struct buf *ret)
{
	buf_add(ret, "\"", 1);
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			buf_add(ret, "\\", 1);
		buf_add(ret, s, 1);
	}
	buf_add(ret, "\"", 1);
}

void config_print_value(const struct config *c, const struct config_key *key, struct buf *ret)
{
	const void *at = (const char *)c + key->offset;
	char *const *list;

	switch (key->kind) {
	case CONFIG_STRING:
	case CONFIG_PROGRAM:
		print_string(*(char *const *)at, ret);
		break;
	case CONFIG_LIST:
		list = *(char **const *)at;
		buf_addf(ret, "[");
		for (size_t i = 0; list && list[i]; i++) {
			buf_addf(ret, "%s", i > 0 ? ", " : "");
			print_string(list[i], ret);
		}
		buf_addf(ret, "]");
		break;
	case CONFIG_BOOL:
		buf_addf(ret, "%s", *(const bool *)at ? "true" : "false");
		break;
	case CONFIG_NUMBER:
		buf_addf(ret, "%u", *(const uint32_t *)at);
		break;
	case CONFIG_DECIMAL:
		buf_addf(ret, "%g", *(const uint32_t *)at / 1000.0);
		break;
	case CONFIG_CHOICE:
		buf_addf(ret, "\"%s\"", key->words[*(const unsigned *)at]);
		break;
	}
}
