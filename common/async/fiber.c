/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fibers: stacks, switches, the run queue, groups. See fiber.h.
 *
 * A fiber is resumed from the scheduler in fiber_main() and nowhere else: loop callbacks and other
 * fibers only put it on the run queue. So switches never nest, and code between two waits runs
 * undisturbed. A shim has some ten fibers per container; an idle one costs its touched stack pages
 * (about 8 KiB), so only a few finished ones are kept for reuse.
 */
#include "common/async/fiber.h"

#include <assert.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "common/async/loop.h"
#include "common/base/log.h"
#include "common/base/mem.h"

#if defined(__SANITIZE_ADDRESS__)
#	define WITH_ASAN 1
#elif defined(__has_feature)
#	if __has_feature(address_sanitizer)
#		define WITH_ASAN 1
#	endif
#endif
#ifdef WITH_ASAN
#	include <sanitizer/common_interface_defs.h>
#endif

#define STACK_BYTES (256u << 10)
#define GUARD_BYTES 4096u
#define IDLE_MAX    8 /* finished fibers kept for reuse */

/*
 * A process that was stopped, or had no processor, finds deadlines over and what came in time unread: timers
 * come before descriptors. So the time by which it is late is given back to a wait, once, at most this much.
 */
#define GIVEN_BACK_MS 1000

struct fiber {
	ucontext_t context;
	char *memory; /* guard page, then the stack */
	const char *name;
	fiber_fn fn;
	void *arg;
	struct waiter *waiting; /* NULL: running, runnable or new */
	bool cancel_pending;
	uv_timer_t timer; /* of the current wait's deadline */
	int64_t due_ms;   /* when it should call back; INT64_MAX: its delay counts no more */
	struct fiber_group *group;
	struct fiber *group_prev, *group_next;
	struct fiber *next; /* in the run queue or the idle list */
	void *asan_stack;
};

static struct {
	uv_loop_t loop;
	uv_idle_t nudge; /* active: the loop must not sleep */
	bool started;
	ucontext_t scheduler;
	struct fiber *current;
	struct fiber *run_first, *run_last;
	struct fiber *idle;
	unsigned n_idle, n_live;
	void *asan_stack;
	const void *asan_bottom; /* of the scheduler's own stack */
	size_t asan_size;
} sched;

uv_loop_t *loop_get(void)
{
	assert(sched.started);
	return &sched.loop;
}

bool fiber_running(void)
{
	return sched.current != NULL;
}

static void on_nudge(uv_idle_t *idle)
{
	(void)idle;
}

static void run_queue_add(struct fiber *f)
{
	f->next = NULL;
	if (sched.run_last)
		sched.run_last->next = f;
	else
		sched.run_first = f;
	sched.run_last = f;
	/*
	 * A timer that is over before the loop runs calls back before the loop polls, and the loop would
	 * then sleep with a runnable fiber in the queue. An active idle handle makes it only look.
	 */
	if (!sched.current)
		(void)uv_idle_start(&sched.nudge, on_nudge);
}

/* Back to the scheduler. `ends`: this stack is done with and will not be resumed. */
static void switch_out(struct fiber *f, bool ends)
{
#ifdef WITH_ASAN
	__sanitizer_start_switch_fiber(ends ? NULL : &f->asan_stack, sched.asan_bottom,
				       sched.asan_size);
#else
	(void)ends;
#endif
	(void)swapcontext(&f->context, &sched.scheduler);
#ifdef WITH_ASAN
	__sanitizer_finish_switch_fiber(f->asan_stack, &sched.asan_bottom, &sched.asan_size);
#endif
}

static void switch_in(struct fiber *f)
{
	sched.current = f;
#ifdef WITH_ASAN
	__sanitizer_start_switch_fiber(&sched.asan_stack, f->memory + GUARD_BYTES, STACK_BYTES);
#endif
	(void)swapcontext(&sched.scheduler, &f->context);
#ifdef WITH_ASAN
	__sanitizer_finish_switch_fiber(sched.asan_stack, NULL, NULL);
#endif
	sched.current = NULL;
}

static void group_leave(struct fiber *f)
{
	struct fiber_group *g = f->group;

	if (!g)
		return;
	if (f->group_prev)
		f->group_prev->group_next = f->group_next;
	else
		g->first = f->group_next;
	if (f->group_next)
		f->group_next->group_prev = f->group_prev;
	f->group = NULL;
	if (!g->first && g->waiting)
		waiter_wake(g->waiting, WAKE_EVENT);
}

static void fiber_entry(void)
{
	struct fiber *f = sched.current;

#ifdef WITH_ASAN
	__sanitizer_finish_switch_fiber(NULL, &sched.asan_bottom, &sched.asan_size);
#endif
	f->fn(f->arg);
	group_leave(f);
	f->fn = NULL;
	switch_out(f, true);
	abort(); /* a finished fiber was resumed */
}

static void on_timer_closed(uv_handle_t *handle)
{
	struct fiber *f = container_of(handle, struct fiber, timer);

	(void)munmap(f->memory, GUARD_BYTES + STACK_BYTES);
	free(f);
}

static void fiber_release(struct fiber *f)
{
	sched.n_live--;
	if (sched.n_idle < IDLE_MAX) {
		f->next = sched.idle;
		sched.idle = f;
		sched.n_idle++;
	} else {
		uv_close((uv_handle_t *)&f->timer, on_timer_closed);
	}
}

static struct fiber *fiber_acquire(void)
{
	struct fiber *f = sched.idle;

	if (f) {
		sched.idle = f->next;
		sched.n_idle--;
		return f;
	}
	f = xnew(struct fiber);
	f->memory = mmap(NULL, GUARD_BYTES + STACK_BYTES, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
	if (f->memory == MAP_FAILED || mprotect(f->memory, GUARD_BYTES, PROT_NONE) < 0) {
		log_error("no memory for the stack of a fiber");
		abort();
	}
	(void)uv_timer_init(&sched.loop, &f->timer);
	return f;
}

static void context_make(struct fiber *f)
{
	(void)getcontext(&f->context);
	f->context.uc_stack.ss_sp = f->memory + GUARD_BYTES;
	f->context.uc_stack.ss_size = STACK_BYTES;
	f->context.uc_link = NULL;
	makecontext(&f->context, fiber_entry, 0);
}

static struct fiber *fiber_create(const char *name, fiber_fn fn, void *arg)
{
	struct fiber *f;

	assert(sched.started);
	f = fiber_acquire();
	f->name = name;
	f->fn = fn;
	f->arg = arg;
	f->waiting = NULL;
	f->cancel_pending = false;
	f->group = NULL;
	f->group_prev = f->group_next = NULL;
	context_make(f);
	sched.n_live++;
	run_queue_add(f);
	return f;
}

void fiber_start(const char *name, fiber_fn fn, void *arg)
{
	(void)fiber_create(name, fn, arg);
}

void fiber_group_start(struct fiber_group *g, const char *name, fiber_fn fn, void *arg)
{
	struct fiber *f = fiber_create(name, fn, arg);

	f->group = g;
	f->group_next = g->first;
	if (g->first)
		g->first->group_prev = f;
	g->first = f;
}

void fiber_group_cancel(struct fiber_group *g)
{
	for (struct fiber *f = g->first; f; f = f->group_next) {
		if (f->waiting && f->waiting->cancellable)
			waiter_wake(f->waiting, WAKE_CANCEL);
		else if (f != sched.current)
			f->cancel_pending = true;
	}
}

void fiber_group_wait(struct fiber_group *g)
{
	assert(sched.current && sched.current->group != g);
	while (g->first) {
		struct waiter w = { .cancellable = false };

		assert(!g->waiting);
		g->waiting = &w;
		(void)waiter_park(&w, DEADLINE_NEVER);
		g->waiting = NULL;
	}
}

static void on_deadline(uv_timer_t *timer)
{
	struct fiber *f = container_of(timer, struct fiber, timer);
	int64_t late_ms = clock_now_ms() - f->due_ms;

	if (!f->waiting)
		return;
	if (late_ms <= 0 || f->waiting->sleeps) {
		waiter_wake(f->waiting, WAKE_DEADLINE);
		return;
	}
	f->due_ms = INT64_MAX;
	(void)uv_timer_start(timer, on_deadline,
			     (uint64_t)(late_ms < GIVEN_BACK_MS ? late_ms : GIVEN_BACK_MS), 0);
}

enum wake waiter_park(struct waiter *w, struct deadline d)
{
	struct fiber *f = sched.current;

	assert(f);
	w->fiber = f;
	f->waiting = w;
	if (f->cancel_pending && w->cancellable) {
		f->cancel_pending = false;
		waiter_wake(w, WAKE_CANCEL);
	} else if (d.at_ms != INT64_MAX) {
		int64_t left_ms = deadline_left_ms(d);

		f->due_ms = clock_now_ms() + left_ms;
		uv_update_time(&sched.loop);
		(void)uv_timer_start(&f->timer, on_deadline, (uint64_t)left_ms, 0);
	}
	switch_out(f, false);
	return w->wake;
}

void waiter_wake(struct waiter *w, enum wake wake)
{
	struct fiber *f = w->fiber;

	/* Only the first of several wakes counts; the fiber is on the run queue from then on. */
	if (f->waiting != w)
		return;
	if (w->cond) {
		if (w->prev)
			w->prev->next = w->next;
		else
			w->cond->first = w->next;
		if (w->next)
			w->next->prev = w->prev;
		else
			w->cond->last = w->prev;
		w->cond = NULL;
	}
	w->wake = wake;
	f->waiting = NULL;
	(void)uv_timer_stop(&f->timer);
	run_queue_add(f);
}

int waiter_result(enum wake wake, struct err *e)
{
	switch (wake) {
	case WAKE_EVENT:
		return 0;
	case WAKE_DEADLINE:
		return err_set(e, ERR_TIMEOUT, "timed out");
	case WAKE_CANCEL:
		return err_set(e, ERR_CANCELLED, "cancelled");
	}
	abort();
}

static enum wake cond_park(struct cond *c, struct deadline d, bool cancellable)
{
	struct waiter w = { .cond = c, .prev = c->last, .cancellable = cancellable };

	if (c->last)
		c->last->next = &w;
	else
		c->first = &w;
	c->last = &w;
	return waiter_park(&w, d);
}

int cond_wait(struct cond *c, struct deadline d, struct err *e)
{
	return waiter_result(cond_park(c, d, true), e);
}

bool cond_wait_uncancellable(struct cond *c, struct deadline d)
{
	return cond_park(c, d, false) != WAKE_DEADLINE;
}

void fiber_cancel_again(void)
{
	assert(sched.current);
	sched.current->cancel_pending = true;
}

void cond_wake_one(struct cond *c)
{
	if (c->first)
		waiter_wake(c->first, WAKE_EVENT);
}

void cond_wake_all(struct cond *c)
{
	while (c->first)
		waiter_wake(c->first, WAKE_EVENT);
}

int fiber_sleep_until(struct deadline d, struct err *e)
{
	struct waiter w = { .cancellable = true, .sleeps = true };

	if (waiter_park(&w, d) == WAKE_CANCEL)
		return waiter_result(WAKE_CANCEL, e);
	return 0;
}

int fiber_sleep_ms(int64_t ms, struct err *e)
{
	return fiber_sleep_until(deadline_in_ms(ms), e);
}

void fiber_yield(void)
{
	struct fiber *f = sched.current;

	assert(f);
	run_queue_add(f);
	switch_out(f, false);
}

/*
 * One round: the fibers that can run now, not those they make runnable, so that two that wake each
 * other do not starve the loop.
 */
static void run_ready(void)
{
	struct fiber *last = sched.run_last;

	while (sched.run_first) {
		struct fiber *f = sched.run_first;

		sched.run_first = f->next;
		if (!sched.run_first)
			sched.run_last = NULL;
		switch_in(f);
		if (!f->fn)
			fiber_release(f);
		if (f == last)
			break;
	}
}

static void let_go(uv_handle_t *handle, void *arg)
{
	(void)arg;
	if (!uv_is_closing(handle))
		uv_unref(handle);
}

void fiber_main(fiber_fn fn, void *arg)
{
	assert(!sched.started);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)uv_loop_init(&sched.loop);
	(void)uv_idle_init(&sched.loop, &sched.nudge);
	sched.started = true;
	fiber_start("main", fn, arg);
	while (sched.n_live > 0) {
		int active;

		run_ready();
		if (sched.n_live == 0)
			break;
		(void)uv_idle_stop(&sched.nudge);
		active = uv_run(&sched.loop, sched.run_first ? UV_RUN_NOWAIT : UV_RUN_ONCE);
		if (!active && !sched.run_first) {
			log_error(
				"deadlock: %u fibers wait and nothing is left that could wake them",
				sched.n_live);
			abort();
		}
	}
	while (sched.idle) {
		struct fiber *f = sched.idle;

		sched.idle = f->next;
		uv_close((uv_handle_t *)&f->timer, on_timer_closed);
	}
	sched.n_idle = 0;
	uv_close((uv_handle_t *)&sched.nudge, NULL);
	/* What is still watched belongs to objects that were never freed, such as a child in D state. */
	uv_walk(&sched.loop, let_go, NULL);
	(void)uv_run(&sched.loop, UV_RUN_DEFAULT);
	(void)uv_loop_close(&sched.loop);
	sched.started = false;
}
