/* SPDX-License-Identifier: Apache-2.0 */
/* dm-verity parameters as flat storage options, by table; see verity.h and verity-erofs 3.1. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/num.h"
#include "common/verity/verity.h"

#define DEFAULT_BLOCK_SIZE 4096u
#define DEFAULT_ALGORITHM  "sha256"
#define DEFAULT_HASH_TYPE  1u

/* Into out, lower case; false: no hex, an odd number of digits, or more than fit. */
static bool hex_copy(const char *text, char *out, size_t digits_max)
{
	size_t len = strlen(text);

	if (len % 2 != 0 || len > digits_max || strspn(text, "0123456789abcdefABCDEF") != len)
		return false;
	for (size_t i = 0; i < len; i++)
		out[i] = (char)(text[i] >= 'A' && text[i] <= 'F' ? text[i] - 'A' + 'a' : text[i]);
	out[len] = '\0';
	return true;
}

static bool set_algorithm(struct verity_params *p, const char *value)
{
	if (value[0] == '\0' || strlen(value) > VERITY_ALGORITHM_MAX)
		return false;
	(void)snprintf(p->algorithm, sizeof(p->algorithm), "%s", value);
	return true;
}

static bool set_block_size(struct verity_params *p, const char *value)
{
	return num_u32(value, 10, &p->data_block_size);
}

static bool set_hash_size(struct verity_params *p, const char *value)
{
	return num_u32(value, 10, &p->hash_block_size);
}

static bool set_hash_offset(struct verity_params *p, const char *value)
{
	return num_u64(value, 10, &p->hash_offset);
}

static bool set_hash_type(struct verity_params *p, const char *value)
{
	return num_u32(value, 10, &p->hash_type);
}

static bool read_bool(const char *value, bool *ret)
{
	*ret = strcmp(value, "true") == 0;
	return *ret || strcmp(value, "false") == 0;
}

static bool set_no_superblock(struct verity_params *p, const char *value)
{
	return read_bool(value, &p->no_superblock);
}

static bool set_root_hash(struct verity_params *p, const char *value)
{
	return value[0] && hex_copy(value, p->root_hash, 2 * VERITY_DIGEST_MAX);
}

static bool set_salt(struct verity_params *p, const char *value)
{
	return hex_copy(strcmp(value, "-") == 0 ? "" : value, p->salt, 2 * VERITY_SALT_MAX);
}

static const struct row {
	const char *name;
	bool (*set)(struct verity_params *p, const char *value);
	bool required;
} rows[] = {
	{ "X-kata.dmverity.algorithm=", set_algorithm, false },
	{ "X-kata.dmverity.blocksize=", set_block_size, false },
	{ "X-kata.dmverity.hashoffset=", set_hash_offset, true },
	{ "X-kata.dmverity.hashsize=", set_hash_size, false },
	{ "X-kata.dmverity.hashtype=", set_hash_type, false },
	{ "X-kata.dmverity.no-superblock=", set_no_superblock, false },
	{ "X-kata.dmverity.roothash=", set_root_hash, true },
	{ "X-kata.dmverity.salt=", set_salt, false },
};

/* The option's name without its "=", for errors. */
#define ROW_NAME(row) ((int)strlen((row)->name) - 1), (row)->name

struct seen {
	bool row[ARRAY_LEN(rows)];
	size_t n;
	bool enabled_given, enabled;
};

static int read_enabled(struct seen *seen, const char *value, struct err *e)
{
	if (seen->enabled_given)
		return err_set(e, ERR_INVALID, "X-kata.dmverity-enabled: given twice");
	seen->enabled_given = true;
	if (!read_bool(value, &seen->enabled))
		return err_set(e, ERR_INVALID,
			       "X-kata.dmverity-enabled: '%s' is neither true nor false", value);
	return 0;
}

static int read_word(struct verity_params *p, struct seen *seen, const char *word, struct err *e)
{
	size_t len = strlen(VERITY_OPTION_ENABLED);

	if (strncmp(word, VERITY_OPTION_ENABLED, len) == 0)
		return read_enabled(seen, word + len, e);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct row *row = &rows[i];
		const char *value = word + strlen(row->name);

		if (strncmp(word, row->name, strlen(row->name)) != 0)
			continue;
		if (seen->row[i])
			return err_set(e, ERR_INVALID, "%.*s: given twice", ROW_NAME(row));
		seen->row[i] = true;
		seen->n++;
		if (!row->set(p, value))
			return err_set(e, ERR_INVALID, "%.*s: '%s' is not possible", ROW_NAME(row),
				       value);
		return 0;
	}
	return err_set(e, ERR_INVALID, "%s: there is no such option", word);
}

int verity_options_parse(char *const *option, size_t n, struct verity_params *ret, struct err *e)
{
	struct verity_params p = {
		.algorithm = DEFAULT_ALGORITHM,
		.hash_type = DEFAULT_HASH_TYPE,
		.data_block_size = DEFAULT_BLOCK_SIZE,
		.hash_block_size = DEFAULT_BLOCK_SIZE,
	};
	struct seen seen = { .n = 0 };

	for (size_t i = 0; i < n; i++)
		if (strncmp(option[i], VERITY_OPTION_PREFIX, strlen(VERITY_OPTION_PREFIX)) == 0 &&
		    read_word(&p, &seen, option[i], e) < 0)
			return -1;
	if (seen.n == 0 && !seen.enabled)
		return 0;
	/* Parameters without the switch would be a layer that was meant to be verified and is not. */
	if (!seen.enabled)
		return err_set(e, ERR_INVALID,
			       "X-kata.dmverity-enabled: is not true, but other options are given");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (rows[i].required && !seen.row[i])
			return err_set(e, ERR_INVALID, "%.*s: is missing", ROW_NAME(&rows[i]));
	if (p.data_block_size > 0)
		p.data_blocks = p.hash_offset / p.data_block_size;
	if (verity_params_check(&p, e) < 0)
		return -1;
	*ret = p;
	return 1;
}

static void add(char ***option, char *word)
{
	strv_add(option, word);
	free(word);
}

void verity_options_add(const struct verity_params *p, char ***option)
{
	strv_add(option, VERITY_OPTION_ENABLED "true");
	add(option, xasprintf("X-kata.dmverity.roothash=%s", p->root_hash));
	add(option, xasprintf("X-kata.dmverity.hashoffset=%" PRIu64, p->hash_offset));
	add(option,
	    xasprintf("X-kata.dmverity.no-superblock=%s", p->no_superblock ? "true" : "false"));
	add(option, xasprintf("X-kata.dmverity.salt=%s", p->salt[0] ? p->salt : "-"));
	add(option, xasprintf("X-kata.dmverity.blocksize=%u", p->data_block_size));
	add(option, xasprintf("X-kata.dmverity.hashsize=%u", p->hash_block_size));
	add(option, xasprintf("X-kata.dmverity.algorithm=%s", p->algorithm));
	add(option, xasprintf("X-kata.dmverity.hashtype=%u", p->hash_type));
}
