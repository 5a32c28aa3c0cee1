/* SPDX-License-Identifier: Apache-2.0 */
/* Allocation that aborts, a growing buffer, string arrays; see mem.h. */
#include "common/base/mem.h"

#include <stdio.h>
#include <string.h>

static _Noreturn void out_of_memory(void)
{
	static const char text[] = "husk: out of memory\n";

	(void)!write(STDERR_FILENO, text, sizeof(text) - 1);
	abort();
}

void *xmalloc(size_t n)
{
	void *p = malloc(n ? n : 1);

	if (!p)
		out_of_memory();
	return p;
}

void *xcalloc(size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size ? size : 1);

	if (!p)
		out_of_memory();
	return p;
}

void *xrealloc(void *p, size_t n)
{
	p = realloc(p, n ? n : 1);
	if (!p)
		out_of_memory();
	return p;
}

char *xstrdup(const char *s)
{
	return xmemdup(s, strlen(s) + 1);
}

char *xstrndup(const char *s, size_t n)
{
	char *p = strndup(s, n);

	if (!p)
		out_of_memory();
	return p;
}

void *xmemdup(const void *p, size_t n)
{
	void *copy = xmalloc(n);

	if (n)
		memcpy(copy, p, n);
	return copy;
}

char *xvasprintf(const char *fmt, va_list ap)
{
	char *s = NULL;

	if (vasprintf(&s, fmt, ap) < 0)
		out_of_memory();
	return s;
}

char *xasprintf(const char *fmt, ...)
{
	va_list ap;
	char *s;

	va_start(ap, fmt);
	s = xvasprintf(fmt, ap);
	va_end(ap);
	return s;
}

char *buf_reserve(struct buf *b, size_t n)
{
	if (b->room - b->len < n + 1) {
		size_t want = b->len + n + 1;

		b->room = b->room * 2 > want ? b->room * 2 : want;
		b->data = xrealloc(b->data, b->room);
	}
	return b->data + b->len;
}

void buf_add(struct buf *b, const void *p, size_t n)
{
	char *to = buf_reserve(b, n);

	if (n)
		memcpy(to, p, n);
	b->len += n;
	b->data[b->len] = '\0';
}

void buf_addf(struct buf *b, const char *fmt, ...)
{
	auto_free char *s = NULL;
	va_list ap;

	va_start(ap, fmt);
	s = xvasprintf(fmt, ap);
	va_end(ap);
	buf_add(b, s, strlen(s));
}

void buf_drop_front(struct buf *b, size_t n)
{
	if (n == 0)
		return;
	b->len -= n;
	memmove(b->data, b->data + n, b->len);
	b->data[b->len] = '\0';
}

void buf_done(struct buf *b)
{
	free(b->data);
	*b = BUF_INIT;
}

size_t strv_len(const char *const *v)
{
	size_t n = 0;

	while (v && v[n])
		n++;
	return n;
}

void strv_add(char ***v, const char *s)
{
	size_t n = strv_len((const char *const *)*v);

	*v = xrealloc(*v, (n + 2) * sizeof((*v)[0]));
	(*v)[n] = xstrdup(s);
	(*v)[n + 1] = NULL;
}

char *strv_join(const char *const *v, const char *between)
{
	struct buf b = BUF_INIT;

	buf_add(&b, "", 0);
	for (size_t i = 0; v && v[i]; i++)
		buf_addf(&b, "%s%s", i > 0 ? between : "", v[i]);
	return b.data;
}

void strv_free(char **v)
{
	for (size_t i = 0; v && v[i]; i++)
		free(v[i]);
	free(v);
}
