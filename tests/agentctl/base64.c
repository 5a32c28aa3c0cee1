/* SPDX-License-Identifier: Apache-2.0 */
/* Base64; see base64.h. */
#include "tests/agentctl/base64.h"

#include <string.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(const uint8_t *data, size_t len, struct buf *out)
{
	for (size_t i = 0; i < len; i += 3) {
		uint32_t group = (uint32_t)data[i] << 16;
		char four[4];

		if (i + 1 < len)
			group |= (uint32_t)data[i + 1] << 8;
		if (i + 2 < len)
			group |= data[i + 2];
		four[0] = digits[group >> 18];
		four[1] = digits[group >> 12 & 63];
		four[2] = i + 1 < len ? digits[group >> 6 & 63] : '=';
		four[3] = i + 2 < len ? digits[group & 63] : '=';
		buf_add(out, four, sizeof(four));
	}
}

static bool digit_value(char c, uint32_t *ret)
{
	const char *at = c ? strchr(digits, c) : NULL;

	if (at)
		*ret = (uint32_t)(at - digits);
	return at != NULL;
}

bool base64_decode(const char *text, uint8_t **ret, size_t *ret_len)
{
	size_t len = strlen(text);
	size_t n = 0;
	auto_free uint8_t *data = xmalloc(len / 4 * 3 + 1);

	if (len % 4 != 0)
		return false;
	for (size_t i = 0; i < len; i += 4) {
		size_t padding = 0;
		uint32_t group = 0;

		if (i + 4 == len)
			padding = (size_t)(text[i + 3] == '=') +
				  (size_t)(text[i + 3] == '=' && text[i + 2] == '=');
		for (size_t j = 0; j < 4; j++) {
			uint32_t value = 0;

			if (j < 4 - padding && !digit_value(text[i + j], &value))
				return false;
			group = group << 6 | value;
		}
		for (size_t j = 0; j < 3 - padding; j++)
			data[n++] = (uint8_t)(group >> (16 - 8 * j));
	}
	*ret = take_ptr(data);
	*ret_len = n;
	return true;
}
