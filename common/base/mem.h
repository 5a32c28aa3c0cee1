/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_BASE_MEM_H
#define HUSK_BASE_MEM_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/cleanup.h"

/*
 * Small allocations, which abort the program with one message when memory is out. Anything whose
 * size comes from a peer, a file or a configuration is checked against a limit before it gets here.
 * Everything returned is released with free().
 */
void *xmalloc(size_t n) must_check;
void *xcalloc(size_t n, size_t size) must_check;
void *xrealloc(void *p, size_t n) must_check;
char *xstrdup(const char *s) must_check;
char *xstrndup(const char *s, size_t n) must_check;
void *xmemdup(const void *p, size_t n) must_check; /* n == 0 gives a pointer to free, not NULL */
char *xasprintf(const char *fmt, ...) must_check __attribute__((format(printf, 1, 2)));
char *xvasprintf(const char *fmt, va_list ap) must_check __attribute__((format(printf, 1, 0)));

#define xnew(type) ((type *)xcalloc(1, sizeof(type)))

/*
 * A byte buffer that grows. `data` is always NUL-terminated behind `len` once anything was added,
 * so text may be read as a string. BUF_INIT owns nothing.
 */
struct buf {
	char *data;
	size_t len, room;
};

#define BUF_INIT ((struct buf){ .data = NULL })

void buf_add(struct buf *b, const void *p, size_t n);
void buf_addf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_drop_front(struct buf *b, size_t n); /* n at most b->len */
/* At least n writable bytes behind len; add what was written to b->len yourself. */
char *buf_reserve(struct buf *b, size_t n) must_check;
void buf_done(struct buf *b);

#define auto_buf CLEANUP(buf_done)

/* A NULL-terminated array of owned strings, as argv and environments are. */
void strv_add(char ***v, const char *s);                               /* *v may be NULL */
size_t strv_len(const char *const *v);                                 /* NULL: 0 */
char *strv_join(const char *const *v, const char *between) must_check; /* for free(); NULL: "" */
void strv_free(char **v);

static inline void strv_free_slot(char ***v)
{
	strv_free(*v);
}
#define auto_strv CLEANUP(strv_free_slot)

#endif
