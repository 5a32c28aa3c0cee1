/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_ASYNC_LOOP_H
#define HUSK_ASYNC_LOOP_H

#include <uv.h>

#include "common/async/fiber.h"

/*
 * Between the files of common/async only: the loop, and the one way in which a fiber waits. libuv
 * is included nowhere else.
 */

uv_loop_t *loop_get(void); /* inside fiber_main() only */

enum wake {
	WAKE_EVENT,
	WAKE_DEADLINE,
	WAKE_CANCEL
};

/* One wait of one fiber, on that fiber's stack; linked into the cond it waits for, if any. */
struct waiter {
	struct fiber *fiber;
	struct cond *cond;
	struct waiter *prev, *next;
	enum wake wake;
	bool cancellable;
	bool sleeps; /* for nothing but the deadline */
};

/* Park the running fiber until waiter_wake(), the deadline, or (if cancellable) a cancel. */
enum wake waiter_park(struct waiter *w, struct deadline d);

/* From a loop callback or another fiber: let it run again. Unlinks it from its cond. */
void waiter_wake(struct waiter *w, enum wake wake);

/* What a wake means for the caller: 0, or -1 with the matching error. */
int waiter_result(enum wake wake, struct err *e);

#endif
