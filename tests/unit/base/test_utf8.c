/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8: the edges of RFC 3629's table, and what cleaning leaves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/cleanup.h"
#include "common/base/mem.h"
#include "common/base/utf8.h"

static void test_table(void **state)
{
	/* What is valid stays; in the rest each byte that is not part of a sequence becomes '?'. */
	static const struct {
		const char *text, *clean;
	} rows[] = {
		{ "", "" },
		{ "plain\x7f", "plain\x7f" },
		{ "\x80", "?" },
		{ "\xbf", "?" },
		{ "\xc1\xbf", "??" }, /* U+007F in two bytes */
		{ "\xc2\x80", "\xc2\x80" },
		{ "\xdf\xbf", "\xdf\xbf" },
		{ "\xc2\xc0", "??" },
		{ "\xe0\x9f\xbf", "???" }, /* U+07FF in three */
		{ "\xe0\xa0\x80", "\xe0\xa0\x80" },
		{ "\xed\x9f\xbf", "\xed\x9f\xbf" },
		{ "\xed\xa0\x80", "???" }, /* the first surrogate */
		{ "\xee\x80\x80", "\xee\x80\x80" },
		{ "\xef\xbf\xbf", "\xef\xbf\xbf" },
		{ "\xf0\x8f\xbf\xbf", "????" }, /* U+FFFF in four */
		{ "\xf0\x90\x80\x80", "\xf0\x90\x80\x80" },
		{ "\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf" },
		{ "\xf4\x90\x80\x80", "????" }, /* U+110000 */
		{ "\xf5\x80\x80\x80", "????" },
		{ "\xff", "?" },
		{ "a\xe2\x82", "a??" }, /* cut off */
		{ "\xe2\x82\x41", "??A" },
		{ "\xf0\x9f\x98\x41z", "???Az" },
		{ "\xe2\xc3\xa9", "?\xc3\xa9" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_free char *s = xstrdup(rows[i].text);

		assert_int_equal(utf8_valid(s, strlen(s)), strcmp(s, rows[i].clean) == 0);
		utf8_clean(s);
		assert_string_equal(s, rows[i].clean);
		assert_true(utf8_valid(s, strlen(s)));
	}
}

static void test_length_is_the_end(void **state)
{
	(void)state;
	assert_true(utf8_valid("a\0b", 3));
	assert_true(utf8_valid("\xc3\xa9", 2));
	assert_false(utf8_valid("\xc3\xa9", 1));
	assert_false(utf8_valid("\xf0\x9f\x98\x80", 3));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_length_is_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
