/* SPDX-License-Identifier: Apache-2.0 */
/* Fibers, conditions, groups, deadlines, the worker pool. */
#include "tests/lib/test.h"

#include "common/async/fiber.h"
#include "common/async/work.h"
#include "common/base/mem.h"

/* cmocka's assertions jump: inside a fiber they would leave its stack, so fibers record, tests judge. */
static struct {
	char order[64];
	struct err e;
	int r, n;
	int64_t ms;
	int64_t began_ms;
	struct cond cond;
	struct fiber_group group;
} seen;

static int reset(void **state)
{
	(void)state;
	memset(&seen, 0, sizeof(seen));
	return 0;
}

static void note(char c)
{
	size_t n = strlen(seen.order);

	if (n + 1 < sizeof(seen.order))
		seen.order[n] = c;
}

static void sleeper(void *arg)
{
	const char *what = arg;
	const struct deadline d = { .at_ms = seen.began_ms + (what[0] - '0') * 100 };

	if (fiber_sleep_until(d, &seen.e) == 0)
		note(what[0]);
}

static void start_sleepers(void *arg)
{
	static char names[][2] = { "3", "1", "2" };

	(void)arg;
	seen.began_ms = clock_now_ms();
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		fiber_group_start(&seen.group, "sleeper", sleeper, names[i]);
	fiber_group_wait(&seen.group);
	note('.');
}

static void test_sleep_order(void **state)
{
	(void)state;
	fiber_main(start_sleepers, NULL);
	assert_string_equal(seen.order, "123.");
}

static void wait_for_cond(void *arg)
{
	(void)arg;
	seen.r = cond_wait(&seen.cond, deadline_in_ms(30), &seen.e);
}

static void timed_out(void *arg)
{
	int64_t start = clock_now_ms();

	wait_for_cond(arg);
	seen.ms = clock_now_ms() - start;
}

static void test_cond_deadline(void **state)
{
	(void)state;
	fiber_main(timed_out, NULL);
	assert_int_equal(seen.r, -1);
	assert_int_equal(seen.e.code, ERR_TIMEOUT);
	assert_true(seen.ms >= 29 && seen.ms < AT_ONCE_MS);
	assert_null(seen.cond.first);
	assert_null(seen.cond.last);
}

/* Nothing else is in the loop that could wake it. */
static void already_over(void *arg)
{
	(void)arg;
	seen.r = cond_wait(&seen.cond, deadline_in_ms(0), &seen.e);
	seen.n = fiber_sleep_ms(0, &seen.e);
}

static void test_deadline_already_over(void **state)
{
	(void)state;
	fiber_main(already_over, NULL);
	assert_int_equal(seen.r, -1);
	assert_int_equal(seen.e.code, ERR_TIMEOUT);
	assert_int_equal(seen.n, 0);
}

static void waiter(void *arg)
{
	if (cond_wait(&seen.cond, DEADLINE_NEVER, &seen.e) == 0)
		note(*(const char *)arg);
}

static void wake_in_turn(void *arg)
{
	static const char names[] = "abcd";

	(void)arg;
	for (size_t i = 0; i < 4; i++)
		fiber_start("waiter", waiter, (void *)(uintptr_t)&names[i]);
	fiber_yield();
	cond_wake_one(&seen.cond);
	fiber_yield();
	note('|');
	cond_wake_all(&seen.cond);
}

static void test_cond_wakes_in_order(void **state)
{
	(void)state;
	fiber_main(wake_in_turn, NULL);
	assert_string_equal(seen.order, "a|bcd");
}

/* A cancel is delivered once; the wait after it works, so that a fiber can clean up. */
static void cancelled(void *arg)
{
	struct err second = ERR_INIT;

	(void)arg;
	seen.r = cond_wait(&seen.cond, DEADLINE_NEVER, &seen.e);
	if (fiber_sleep_ms(1, &second) == 0)
		note('c');
}

static void cancel_waiting(void *arg)
{
	(void)arg;
	fiber_group_start(&seen.group, "cancelled", cancelled, NULL);
	fiber_yield();
	fiber_group_cancel(&seen.group);
	fiber_group_wait(&seen.group);
	note('.');
}

static void test_cancel_waiting(void **state)
{
	(void)state;
	fiber_main(cancel_waiting, NULL);
	assert_int_equal(seen.r, -1);
	assert_int_equal(seen.e.code, ERR_CANCELLED);
	assert_string_equal(seen.order, "c.");
}

static void cancel_before_it_ran(void *arg)
{
	(void)arg;
	fiber_group_start(&seen.group, "cancelled", cancelled, NULL);
	fiber_group_cancel(&seen.group);
	fiber_group_wait(&seen.group);
}

static void test_cancel_before_first_wait(void **state)
{
	(void)state;
	fiber_main(cancel_before_it_ran, NULL);
	assert_int_equal(seen.e.code, ERR_CANCELLED);
	assert_string_equal(seen.order, "c");
}

/* Two waits: the first may not be ended by the cancel, the second is, with the same cancel. */
static void stubborn(void *arg)
{
	(void)arg;
	if (cond_wait_uncancellable(&seen.cond, DEADLINE_NEVER))
		note('u');
	seen.r = fiber_sleep_ms(10000, &seen.e);
}

static void cancel_stubborn(void *arg)
{
	(void)arg;
	fiber_group_start(&seen.group, "stubborn", stubborn, NULL);
	fiber_yield();
	fiber_group_cancel(&seen.group);
	fiber_yield();
	note('-');
	cond_wake_all(&seen.cond);
	fiber_group_wait(&seen.group);
}

static void test_cancel_is_kept_by_an_uncancellable_wait(void **state)
{
	(void)state;
	fiber_main(cancel_stubborn, NULL);
	assert_string_equal(seen.order, "-u");
	assert_int_equal(seen.r, -1);
	assert_int_equal(seen.e.code, ERR_CANCELLED);
}

static void hands_on(void *arg)
{
	struct err first = ERR_INIT;

	(void)arg;
	if (cond_wait(&seen.cond, DEADLINE_NEVER, &first) < 0)
		fiber_cancel_again();
	seen.r = fiber_sleep_ms(10000, &seen.e);
}

static void cancel_that_is_handed_on(void *arg)
{
	(void)arg;
	fiber_group_start(&seen.group, "hands on", hands_on, NULL);
	fiber_yield();
	fiber_group_cancel(&seen.group);
	fiber_group_wait(&seen.group);
}

static void test_cancel_again(void **state)
{
	(void)state;
	fiber_main(cancel_that_is_handed_on, NULL);
	assert_int_equal(seen.r, -1);
	assert_int_equal(seen.e.code, ERR_CANCELLED);
}

static void add_one(void *arg)
{
	__atomic_add_fetch((int *)arg, 1, __ATOMIC_SEQ_CST);
}

static void worker(void *arg)
{
	for (int i = 0; i < 10; i++)
		work_run(add_one, arg);
}

static void many_workers(void *arg)
{
	(void)arg;
	for (int i = 0; i < 50; i++)
		fiber_group_start(&seen.group, "worker", worker, &seen.n);
	fiber_group_wait(&seen.group);
}

static void test_work(void **state)
{
	(void)state;
	fiber_main(many_workers, NULL);
	assert_int_equal(seen.n, 500);
}

static void count(void *arg)
{
	(void)arg;
	if (fiber_sleep_ms(1, &seen.e) == 0)
		seen.n++;
}

static void thousand(void *arg)
{
	(void)arg;
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 1000; i++)
			fiber_group_start(&seen.group, "count", count, NULL);
		fiber_group_wait(&seen.group);
	}
}

static void test_thousand_fibers_thrice(void **state)
{
	(void)state;
	fiber_main(thousand, NULL);
	assert_int_equal(seen.n, 3000);
}

static void test_deadlines(void **state)
{
	(void)state;
	assert_true(deadline_left_ms(DEADLINE_NEVER) == INT64_MAX);
	assert_false(deadline_passed(DEADLINE_NEVER));
	assert_true(deadline_passed(deadline_in_ms(0)));
	assert_true(deadline_passed(deadline_in_ms(-5)));
	assert_true(deadline_in_ms(INT64_MAX).at_ms == INT64_MAX);
	assert_true(deadline_min(deadline_in_ms(5), DEADLINE_NEVER).at_ms != INT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_sleep_order, reset),
		cmocka_unit_test_setup(test_cond_deadline, reset),
		cmocka_unit_test_setup(test_deadline_already_over, reset),
		cmocka_unit_test_setup(test_cond_wakes_in_order, reset),
		cmocka_unit_test_setup(test_cancel_waiting, reset),
		cmocka_unit_test_setup(test_cancel_before_first_wait, reset),
		cmocka_unit_test_setup(test_cancel_is_kept_by_an_uncancellable_wait, reset),
		cmocka_unit_test_setup(test_cancel_again, reset),
		cmocka_unit_test_setup(test_work, reset),
		cmocka_unit_test_setup(test_thousand_fibers_thrice, reset),
		cmocka_unit_test_setup(test_deadlines, reset),
	};

	return cmocka_run_group_tests_name("fiber", tests, NULL, NULL);
}
