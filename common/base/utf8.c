/* SPDX-License-Identifier: Apache-2.0 */
/* Checking and cleaning of UTF-8; see utf8.h. */
#include "common/base/utf8.h"

#include <stdint.h>
#include <string.h>

/*
 * The second byte's range depends on the first (RFC 3629 section 4): that is what keeps out overlong
 * forms, surrogates and code points that are too large.
 */
size_t utf8_length(const char *text, size_t len)
{
	const uint8_t *s = (const uint8_t *)text;
	uint8_t low = 0x80, high = 0xbf;
	size_t n;

	if (s[0] < 0x80)
		return 1;
	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		n = 2;
	else if (s[0] >= 0xe0 && s[0] <= 0xef)
		n = 3;
	else if (s[0] >= 0xf0 && s[0] <= 0xf4)
		n = 4;
	else
		return 0;

	if (s[0] == 0xe0)
		low = 0xa0;
	else if (s[0] == 0xed)
		high = 0x9f;
	else if (s[0] == 0xf0)
		low = 0x90;
	else if (s[0] == 0xf4)
		high = 0x8f;

	if (len < n || s[1] < low || s[1] > high)
		return 0;
	for (size_t i = 2; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

bool utf8_valid(const char *s, size_t len)
{
	for (size_t i = 0; i < len;) {
		size_t n = utf8_length(s + i, len - i);

		if (n == 0)
			return false;
		i += n;
	}
	return true;
}

void utf8_clean(char *s)
{
	size_t len = strlen(s);

	for (size_t i = 0; i < len;) {
		size_t n = utf8_length(s + i, len - i);

		if (n == 0) {
			s[i] = '?';
			n = 1;
		}
		i += n;
	}
}
