/* SPDX-License-Identifier: Apache-2.0 */
/* Small JSON texts, over yajl's generator. */
#include "common/json/json.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <yajl/yajl_gen.h>

#include "common/base/mem.h"
#include "common/base/utf8.h"

/* yajl does not look at what malloc() gives it. */
static void *alloc(void *ctx, size_t n)
{
	(void)ctx;
	return xmalloc(n);
}

static void *resize(void *ctx, void *p, size_t n)
{
	(void)ctx;
	return xrealloc(p, n);
}

static void release(void *ctx, void *p)
{
	(void)ctx;
	free(p);
}

static yajl_gen generator(void)
{
	yajl_alloc_funcs memory = { .malloc = alloc, .realloc = resize, .free = release };

	/* Copied by yajl_gen_alloc(). */
	return yajl_gen_alloc(&memory);
}

/* The text so far, for free(). */
static char *finish(yajl_gen g)
{
	const unsigned char *text = NULL;
	size_t len = 0;
	char *copy;

	(void)yajl_gen_get_buf(g, &text, &len);
	copy = xstrndup((const char *)text, len);
	yajl_gen_free(g);
	return copy;
}

static void add_string(yajl_gen g, const char *s)
{
	auto_free char *clean = xstrdup(s);

	utf8_clean(clean);
	(void)yajl_gen_string(g, (const unsigned char *)clean, strlen(clean));
}

static void add_strings(yajl_gen g, const char *const *v)
{
	(void)yajl_gen_array_open(g);
	for (; *v; v++)
		add_string(g, *v);
	(void)yajl_gen_array_close(g);
}

/* yajl writes the text of a number as it is given: the one way to put in what is JSON already. */
static void add_text(yajl_gen g, const char *text)
{
	(void)yajl_gen_number(g, text, strlen(text));
}

char *json_object(const char *member, ...)
{
	yajl_gen g = generator();
	char number[24]; /* 20 digits and a sign */
	va_list ap;

	(void)yajl_gen_map_open(g);
	va_start(ap, member);
	for (; member; member = va_arg(ap, const char *)) {
		const char *name = member + 2;
		const char *text;
		const char *const *strings;

		switch (member[0]) {
		case 's':
		case 'o':
			text = va_arg(ap, const char *);
			if (!text)
				break;
			add_string(g, name);
			if (member[0] == 's')
				add_string(g, text);
			else
				add_text(g, text);
			break;
		case 'v':
			strings = va_arg(ap, const char *const *);
			if (!strings)
				break;
			add_string(g, name);
			add_strings(g, strings);
			break;
		case 'b':
			add_string(g, name);
			(void)yajl_gen_bool(g, va_arg(ap, int));
			break;
		case 'u':
			(void)snprintf(number, sizeof(number), "%llu",
				       va_arg(ap, unsigned long long));
			add_string(g, name);
			add_text(g, number);
			break;
		case 'i':
			(void)snprintf(number, sizeof(number), "%lld", va_arg(ap, long long));
			add_string(g, name);
			add_text(g, number);
			break;
		default:
			/* The letter is a literal in our own source: nothing to report to anybody. */
			abort();
		}
	}
	va_end(ap);
	(void)yajl_gen_map_close(g);
	return finish(g);
}

char *json_quote(const char *s)
{
	yajl_gen g = generator();

	add_string(g, s);
	return finish(g);
}

char *json_array(const char *const *texts)
{
	yajl_gen g = generator();

	(void)yajl_gen_array_open(g);
	for (; texts && *texts; texts++)
		add_text(g, *texts);
	(void)yajl_gen_array_close(g);
	return finish(g);
}
