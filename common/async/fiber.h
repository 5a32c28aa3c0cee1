/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_ASYNC_FIBER_H
#define HUSK_ASYNC_FIBER_H

#include <stdbool.h>

#include "common/async/deadline.h"
#include "common/base/cleanup.h"
#include "common/base/err.h"

/*
 * One thread, one loop, fibers.
 *
 * A fiber is a stackful coroutine on the program's one libuv loop. Code in it reads as if it
 * blocked; each call that waits gives the loop to the others until the event, the deadline or a
 * cancel comes. Fibers never run at the same time and switch only inside calls that wait, so there
 * are no locks. Three rules come with it:
 *
 *   - what was read before a wait may have changed afterwards: take a reference, check again;
 *   - never wait while a data structure is half changed;
 *   - deadline and cancel arrive as ordinary errors (ERR_TIMEOUT, ERR_CANCELLED) of the call that
 *     waits.
 *
 * A stack has 256 KiB of address space and a guard page below it; no large arrays on it.
 */

typedef void (*fiber_fn)(void *arg);

/*
 * Run `fn` as the first fiber and the loop until fn has returned and every other fiber has too.
 * Called once, from main(), outside any fiber. SIGPIPE is ignored from then on.
 */
void fiber_main(fiber_fn fn, void *arg);

/*
 * Start a fiber that belongs to nobody; it first runs when the caller waits or returns. `name` is a
 * literal, for the log. Prefer a group: a fiber that outlives what it uses is a bug.
 */
void fiber_start(const char *name, fiber_fn fn, void *arg);

/* Fibers that are waited for and cancelled together; embedded in what they serve. */
struct fiber;
struct fiber_group {
	struct fiber *first; /* running members */
	struct waiter *waiting;
};
#define FIBER_GROUP_INIT ((struct fiber_group){ .first = NULL })

void fiber_group_start(struct fiber_group *g, const char *name, fiber_fn fn, void *arg);

/*
 * Each member's current wait, or its next one, fails once with ERR_CANCELLED. Later waits work
 * again, so that the member can clean up. A member in the middle of work_run() finishes that first.
 */
void fiber_group_cancel(struct fiber_group *g);

/* Until every member has returned. Not ended by a cancel. Must not be called from a member. */
void fiber_group_wait(struct fiber_group *g);

/* Let every other runnable fiber and the loop have a turn. */
void fiber_yield(void);

/* 0 when the deadline has come; -1 only with ERR_CANCELLED. */
int fiber_sleep_until(struct deadline d, struct err *e) must_check;
int fiber_sleep_ms(int64_t ms, struct err *e) must_check;

/* True inside a fiber, false in plain code such as a unit test's main(). */
bool fiber_running(void);

/*
 * A condition to wait for, embedded in what it is about. As with any condition variable: test in a
 * loop, because what woke the fiber may have changed again before it ran.
 */
struct waiter;
struct cond {
	struct waiter *first, *last;
};
#define COND_INIT ((struct cond){ .first = NULL })

int cond_wait(struct cond *c, struct deadline d, struct err *e) must_check;

/*
 * For a wait that somebody depends on, as in a free(): a cancel does not end it and is kept for the
 * next wait that it can end. False when the deadline came.
 */
bool cond_wait_uncancellable(struct cond *c, struct deadline d);

/*
 * The running fiber's last wait was ended by a cancel, but what it waited for had come too and is
 * handed on: let the cancel end the next wait instead. A cancel that is dropped is a fiber that
 * somebody waits for in vain.
 */
void fiber_cancel_again(void);

void cond_wake_one(struct cond *c);
void cond_wake_all(struct cond *c);

#endif
