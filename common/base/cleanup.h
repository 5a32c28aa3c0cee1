/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_BASE_CLEANUP_H
#define HUSK_BASE_CLEANUP_H

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

/*
 * Ownership in the type of a local variable: what it holds is released when it goes out of scope,
 * unless it was handed on with take_ptr() or take_fd(). Declare the empty thing, fill it, give it
 * away last.
 */

#define CLEANUP(fn)  __attribute__((cleanup(fn)))
#define must_check   __attribute__((warn_unused_result))
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* Both keep errno: a failing function must be able to report after its locals are gone. */
static inline void free_slot(void *slot)
{
	int saved = errno;

	free(*(void **)slot);
	errno = saved;
}

static inline void close_slot(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		(void)close(*fd);
	errno = saved;
}

#define auto_free  CLEANUP(free_slot)
#define auto_close CLEANUP(close_slot)

/* Hand an owned thing to somebody else; the local is left empty and its cleanup does nothing. */
#define take_ptr(p)                          \
	({                                   \
		__typeof__(p) *slot_ = &(p); \
		__typeof__(p) val_ = *slot_; \
		*slot_ = NULL;               \
		val_;                        \
	})

static inline int take_fd(int *fd)
{
	int val = *fd;

	*fd = -1;
	return val;
}

#endif
