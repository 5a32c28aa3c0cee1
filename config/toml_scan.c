/* SPDX-License-Identifier: Apache-2.0 */
/* Blanks, comments, strings and the errors of a TOML document; see toml_scan.h. */
#include "config/toml_scan.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/base/num.h"
#include "common/base/utf8.h"

bool toml_ahead(const struct toml_scan *s, const char *literal)
{
	size_t len = strlen(literal);

	return (size_t)(s->end - s->at) >= len && memcmp(s->at, literal, len) == 0;
}

int toml_fail(const struct toml_scan *s, const char *fmt, ...)
{
	char what[256];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	return err_set(s->e, ERR_INVALID, "%s:%u: %s", s->name, s->line, what);
}

const char *toml_seen(const struct toml_scan *s)
{
	static char shown[16];
	int c = toml_peek(s);

	if (c < 0)
		return "end of file";
	if (c == '\n' || toml_ahead(s, "\r\n"))
		return "end of line";
	if (c > 0x20 && c < 0x7f)
		(void)snprintf(shown, sizeof(shown), "'%c'", c);
	else
		(void)snprintf(shown, sizeof(shown), "0x%02x", (unsigned)c);
	return shown;
}

int toml_check_text(struct toml_scan *s)
{
	struct toml_scan at = *s;

	while (at.at < at.end) {
		int c = toml_peek(&at);
		size_t len = utf8_length(at.at, (size_t)(at.end - at.at));

		if (len == 0)
			return toml_fail(&at, "byte 0x%02x is not UTF-8", (unsigned)c);
		if ((c < 0x20 && c != '\t' && c != '\n' && !toml_ahead(&at, "\r\n")) || c == 0x7f)
			return toml_fail(&at, "control character 0x%02x", (unsigned)c);
		at.line += c == '\n';
		at.at += len;
	}
	return 0;
}

void toml_skip_blank(struct toml_scan *s)
{
	while (toml_peek(s) == ' ' || toml_peek(s) == '\t')
		s->at++;
}

/* One newline, if it is ahead. */
static bool take_newline(struct toml_scan *s)
{
	if (toml_ahead(s, "\r\n"))
		s->at += 2;
	else if (toml_peek(s) == '\n')
		s->at++;
	else
		return false;
	s->line++;
	return true;
}

static void skip_comment(struct toml_scan *s)
{
	if (toml_peek(s) != '#')
		return;
	while (s->at < s->end && *s->at != '\n' && !toml_ahead(s, "\r\n"))
		s->at++;
}

int toml_end_line(struct toml_scan *s)
{
	toml_skip_blank(s);
	skip_comment(s);
	if (s->at < s->end && !take_newline(s))
		return toml_fail(s, "expected end of line, found %s", toml_seen(s));
	return 0;
}

void toml_skip_lines(struct toml_scan *s)
{
	for (;;) {
		toml_skip_blank(s);
		skip_comment(s);
		if (!take_newline(s))
			return;
	}
}

static void add_utf8(struct buf *b, uint32_t c)
{
	char out[4];
	size_t n;

	if (c < 0x80) {
		out[0] = (char)c;
		n = 1;
	} else if (c < 0x800) {
		out[0] = (char)(0xc0 | (c >> 6));
		n = 2;
	} else if (c < 0x10000) {
		out[0] = (char)(0xe0 | (c >> 12));
		n = 3;
	} else {
		out[0] = (char)(0xf0 | (c >> 18));
		n = 4;
	}
	for (size_t i = 1; i < n; i++)
		out[i] = (char)(0x80 | ((c >> (6 * (n - 1 - i))) & 0x3f));
	buf_add(b, out, n);
}

/* \uXXXX or \UXXXXXXXX; the letter is read. */
static int scan_code_point(struct toml_scan *s, unsigned digits, struct buf *ret)
{
	uint32_t c = 0;

	for (unsigned i = 0; i < digits; i++) {
		int d = num_hex_digit(toml_peek(s));

		if (d < 0)
			return toml_fail(s, "expected %u hexadecimal digits after \\%c, found %s",
					 digits, digits == 4 ? 'u' : 'U', toml_seen(s));
		c = c << 4 | (uint32_t)d;
		s->at++;
	}
	if (c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return toml_fail(s, "U+%04X is not a Unicode character", c);
	add_utf8(ret, c);
	return 0;
}

/* Behind a backslash at the end of a line: newlines and blanks up to the next text are left out. */
static bool take_line_continuation(struct toml_scan *s)
{
	struct toml_scan look = *s;

	toml_skip_blank(&look);
	if (!take_newline(&look))
		return false;
	do
		toml_skip_blank(&look);
	while (take_newline(&look));
	*s = look;
	return true;
}

/* An escape in a basic string; the backslash is read. */
static int scan_escape(struct toml_scan *s, bool multiline, struct buf *ret)
{
	static const char from[] = "btnfr\"\\", to[] = "\b\t\n\f\r\"\\";
	const char *known;
	int c = toml_peek(s);

	if (multiline && take_line_continuation(s))
		return 0;
	known = c > 0 ? strchr(from, c) : NULL;
	if (!known && c != 'u' && c != 'U')
		return toml_fail(s, "unknown escape: \\ before %s", toml_seen(s));
	s->at++;
	if (known)
		buf_add(ret, &to[known - from], 1);
	else
		return scan_code_point(s, c == 'u' ? 4 : 8, ret);
	return 0;
}

/* """ or ''' ahead: the string ends here, unless a quote follows, which then belongs to it. */
static bool take_closing_quotes(struct toml_scan *s, char quote, struct buf *ret)
{
	size_t run = 0;

	while (run < 5 && s->at + run < s->end && s->at[run] == quote)
		run++;
	if (run < 3)
		return false;
	buf_add(ret, s->at, run - 3);
	s->at += run;
	return true;
}

int toml_scan_string(struct toml_scan *s, bool multiline, struct buf *ret)
{
	unsigned began = s->line;
	char quote = *s->at;
	bool is_long = toml_ahead(s, quote == '"' ? "\"\"\"" : "'''");

	if (is_long && !multiline)
		return toml_fail(s, "a key cannot be a multi-line string");
	s->at += is_long ? 3 : 1;
	if (is_long)
		(void)take_newline(s); /* one right behind the quotes is not part of the string */
	buf_add(ret, "", 0);

	for (;;) {
		const char *from = s->at;
		int c = toml_peek(s);

		if (c < 0) {
			s->line = began;
			return toml_fail(s, "the string that begins here has no end");
		}
		if (is_long && take_closing_quotes(s, quote, ret))
			return 0;
		if (!is_long && c == quote) {
			s->at++;
			return 0;
		}
		if (c == '\\' && quote == '"') {
			s->at++;
			if (scan_escape(s, is_long, ret) < 0)
				return -1;
			continue;
		}
		if (take_newline(s)) {
			if (!is_long) {
				s->line = began;
				return toml_fail(s, "the string has no end on its line");
			}
		} else {
			s->at++;
		}
		buf_add(ret, from, (size_t)(s->at - from));
	}
}
