/* SPDX-License-Identifier: Apache-2.0 */
/* Where a standard stream goes, as text; see uri.h. */
#include "shim/io/uri.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/num.h"

static const struct {
	const char *prefix;
	enum uri_scheme scheme;
} schemes[] = {
	{ "fifo://", URI_FIFO },
	{ "file://", URI_FILE },
	{ "binary://", URI_BINARY },
	{ "binary-v2://", URI_BINARY_V2 },
};

/* Percent escapes, and in a query '+' for a space. NULL for a bad escape or a NUL byte. */
static char *decode(const char *s, size_t len, bool query)
{
	auto_free char *out = xmalloc(len + 1);
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		char c = s[i];

		if (c == '%') {
			int high = i + 2 < len ? num_hex_digit(s[i + 1]) : -1;
			int low = i + 2 < len ? num_hex_digit(s[i + 2]) : -1;

			if (high < 0 || low < 0 || high + low == 0)
				return NULL;
			c = (char)(high * 16 + low);
			i += 2;
		} else if (c == '+' && query) {
			c = ' ';
		}
		out[n++] = c;
	}
	out[n] = '\0';
	return take_ptr(out);
}

static bool has_key(char *const *arguments, const char *key)
{
	for (size_t i = 0; arguments && arguments[i]; i += 2)
		if (strcmp(arguments[i], key) == 0)
			return true;
	return false;
}

/* The first value of each key, as containerd's own shim passes them. */
static int parse_query(const char *query, char ***ret)
{
	while (*query) {
		size_t pair = strcspn(query, "&");
		size_t key_len = strcspn(query, "=&");
		size_t value_at = key_len < pair ? key_len + 1 : pair;
		auto_free char *key = decode(query, key_len, true);
		auto_free char *value = decode(query + value_at, pair - value_at, true);

		if (!key || !value)
			return -1;
		if (*key && !has_key(*ret, key)) {
			strv_add(ret, key);
			strv_add(ret, value);
		}
		query += pair;
		query += *query == '&';
	}
	return 0;
}

static int parse_after_scheme(const char *rest, struct uri *u)
{
	size_t path_len = strcspn(rest, "?#");

	u->path = decode(rest, path_len, false);
	if (!u->path || u->path[0] != '/')
		return -1;
	if (rest[path_len] != '?')
		return 0;
	return parse_query(rest + path_len + 1, &u->arguments);
}

int uri_parse(const char *text, struct uri *ret, struct err *e)
{
	auto_uri struct uri u = URI_INIT;
	bool known = false;

	if (strlen(text) > URI_MAX)
		return err_set(e, ERR_INVALID, "stdio '%.60s…' is longer than %d bytes", text,
			       URI_MAX);
	if (!*text) {
		*ret = u;
		return 0;
	}
	if (text[0] == '/') {
		*ret = (struct uri){ .scheme = URI_FIFO, .path = xstrdup(text) };
		return 0;
	}
	for (size_t i = 0; i < ARRAY_LEN(schemes) && !known; i++) {
		size_t len = strlen(schemes[i].prefix);

		if (strncmp(text, schemes[i].prefix, len) != 0)
			continue;
		known = true;
		u.scheme = schemes[i].scheme;
		if (parse_after_scheme(text + len, &u) < 0)
			return err_set(e, ERR_INVALID, "stdio '%.200s' is no valid URI", text);
	}
	if (!known)
		return err_set(e, ERR_UNSUPPORTED,
			       "stdio '%.200s': only fifo, file and binary are supported", text);
	*ret = u;
	u = URI_INIT;
	return 0;
}

void uri_done(struct uri *u)
{
	free(u->path);
	strv_free(u->arguments);
	*u = URI_INIT;
}
