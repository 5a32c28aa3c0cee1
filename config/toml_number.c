/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers, times and booleans of a TOML document; see toml_scan.h. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "config/toml_scan.h"

#define TOKEN_MAX 128 /* bytes of a number or time; the longest sensible one has some 40 */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Digits of `base`, single underscores between digits, as an unsigned number. */
static bool read_digits(const char *p, unsigned base, uint64_t *ret)
{
	uint64_t value = 0;
	bool after_digit = false;

	for (; *p; p++) {
		unsigned d = 16;

		if (*p == '_') {
			if (!after_digit)
				return false;
			after_digit = false;
			continue;
		}
		if (is_digit(*p))
			d = (unsigned)(*p - '0');
		else if (*p >= 'a' && *p <= 'f')
			d = (unsigned)(*p - 'a') + 10;
		else if (*p >= 'A' && *p <= 'F')
			d = (unsigned)(*p - 'A') + 10;
		if (d >= base)
			return false;
		if (__builtin_mul_overflow(value, (uint64_t)base, &value) ||
		    __builtin_add_overflow(value, (uint64_t)d, &value))
			return false;
		after_digit = true;
	}
	*ret = value;
	return after_digit;
}

static bool read_integer(const char *token, int64_t *ret)
{
	bool is_signed = *token == '+' || *token == '-', minus = *token == '-';
	const char *p = token + is_signed;
	uint64_t value;
	unsigned base = 10;

	if (p[0] == '0' && p[1]) {
		/* No leading zeros; a prefix names the base and takes no sign. */
		base = p[1] == 'x' ? 16 : p[1] == 'o' ? 8 : p[1] == 'b' ? 2 : 0;
		if (base == 0 || is_signed)
			return false;
		p += 2;
	}
	if (!read_digits(p, base, &value) || value > (uint64_t)INT64_MAX + minus)
		return false;
	*ret = minus ? (int64_t)(0 - value) : (int64_t)value;
	return true;
}

/* One run of digits with single underscores between them, copied without these. */
static bool copy_digits(const char **p, char **out)
{
	const char *from = *p;

	while (is_digit(**p) ||
	       (**p == '_' && *p > from && is_digit((*p)[-1]) && is_digit((*p)[1]))) {
		if (**p != '_')
			*(*out)++ = **p;
		(*p)++;
	}
	return *p > from;
}

static bool read_float(const char *token, double *ret)
{
	char plain[TOKEN_MAX], *out = plain, *end;
	const char *p = token, *whole;
	bool marked = false;

	if (*p == '+' || *p == '-')
		*out++ = *p++;
	if (strcmp(p, "inf") == 0 || strcmp(p, "nan") == 0) {
		double value = *p == 'i' ? (double)INFINITY : (double)NAN;

		*ret = *token == '-' ? -value : value;
		return true;
	}

	whole = p;
	if (!copy_digits(&p, &out) || (whole[0] == '0' && p > whole + 1))
		return false;
	if (*p == '.') {
		marked = true;
		*out++ = *p++;
		if (!copy_digits(&p, &out))
			return false;
	}
	if (*p == 'e' || *p == 'E') {
		marked = true;
		*out++ = *p++;
		if (*p == '+' || *p == '-')
			*out++ = *p++;
		if (!copy_digits(&p, &out))
			return false;
	}
	if (*p || !marked)
		return false;
	*out = '\0';
	*ret = strtod(plain, &end);
	return *end == '\0';
}

/* Exactly n digits, a number from `min` to `max`. */
static bool take_field(const char **p, unsigned n, unsigned min, unsigned max, unsigned *ret)
{
	unsigned value = 0;

	for (unsigned i = 0; i < n; i++) {
		if (!is_digit((*p)[i]))
			return false;
		value = value * 10 + (unsigned)((*p)[i] - '0');
	}
	if (value < min || value > max)
		return false;
	*p += n;
	*ret = value;
	return true;
}

static bool take_char(const char **p, const char *set)
{
	if (!**p || !strchr(set, **p))
		return false;
	(*p)++;
	return true;
}

static bool take_date(const char **p)
{
	static const unsigned days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	unsigned year, month, day, last;

	if (!take_field(p, 4, 0, 9999, &year) || !take_char(p, "-") ||
	    !take_field(p, 2, 1, 12, &month) || !take_char(p, "-"))
		return false;
	last = days[month - 1];
	if (month == 2 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0))
		last = 29;
	return take_field(p, 2, 1, last, &day);
}

/* Seconds go to 60: RFC 3339 5.7 has the leap second. */
static bool take_time(const char **p)
{
	unsigned ignored;

	if (!take_field(p, 2, 0, 23, &ignored) || !take_char(p, ":") ||
	    !take_field(p, 2, 0, 59, &ignored) || !take_char(p, ":") ||
	    !take_field(p, 2, 0, 60, &ignored))
		return false;
	if (take_char(p, ".")) {
		if (!is_digit(**p))
			return false;
		while (is_digit(**p))
			(*p)++;
	}
	return true;
}

static bool take_offset(const char **p)
{
	unsigned ignored;

	if (take_char(p, "Zz"))
		return true;
	return take_char(p, "+-") && take_field(p, 2, 0, 23, &ignored) && take_char(p, ":") &&
	       take_field(p, 2, 0, 59, &ignored);
}

static bool read_time(const char *token, enum toml_type *ret)
{
	const char *p = token;

	if (token[0] && token[1] && token[2] == ':') {
		*ret = TOML_TIME_LOCAL;
		return take_time(&p) && !*p;
	}
	if (!take_date(&p))
		return false;
	if (!*p) {
		*ret = TOML_DATE_LOCAL;
		return true;
	}
	if (!take_char(&p, "Tt ") || !take_time(&p))
		return false;
	*ret = *p ? TOML_DATETIME : TOML_DATETIME_LOCAL;
	return !*p || (take_offset(&p) && !*p);
}

/* Does it have the shape of a date or time? Decides only which error is given. */
static bool looks_like_time(const char *token)
{
	return strlen(token) > 4 && is_digit(token[0]) && is_digit(token[1]) &&
	       (token[2] == ':' || (is_digit(token[2]) && is_digit(token[3]) && token[4] == '-'));
}

static void normalise_time(char *token)
{
	for (; *token; token++) {
		if (*token == ' ' || *token == 't')
			*token = 'T';
		else if (*token == 'z')
			*token = 'Z';
	}
}

static size_t token_length(const struct toml_scan *s)
{
	size_t left = (size_t)(s->end - s->at), n = 0;

	while (n < left && s->at[n] && !strchr(" \t\r\n,]}#=[{\"'", s->at[n]))
		n++;
	/* A space may stand for the 'T' of a date-time: "1979-05-27 07:32:00". */
	if (n == 10 && left > n + 2 && s->at[4] == '-' && s->at[n] == ' ' &&
	    is_digit(s->at[n + 1])) {
		n++;
		while (n < left && s->at[n] && !strchr(" \t\r\n,]}#=[{\"'", s->at[n]))
			n++;
	}
	return n;
}

int toml_scan_bare(struct toml_scan *s, struct toml_value *ret)
{
	size_t len = token_length(s);
	char token[TOKEN_MAX];

	if (len == 0)
		return toml_fail(s, "expected a value, found %s", toml_seen(s));
	if (len >= sizeof(token))
		return toml_fail(s, "a value of %zu bytes without quotes; the limit is %d", len,
				 TOKEN_MAX - 1);
	memcpy(token, s->at, len);
	token[len] = '\0';

	if (strcmp(token, "true") == 0 || strcmp(token, "false") == 0) {
		ret->type = TOML_BOOLEAN;
		ret->boolean = *token == 't';
	} else if (looks_like_time(token)) {
		if (!read_time(token, &ret->type))
			return toml_fail(s, "'%s' is not a date or time", token);
		normalise_time(token);
		ret->text.data = xstrdup(token);
		ret->text.len = len;
	} else if (read_integer(token, &ret->integer)) {
		ret->type = TOML_INTEGER;
	} else if (read_float(token, &ret->real)) {
		ret->type = TOML_FLOAT;
	} else {
		return toml_fail(s, "'%s' is not a value (strings need quotes)", token);
	}
	s->at += len;
	return 0;
}
