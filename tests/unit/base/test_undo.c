/* SPDX-License-Identifier: Apache-2.0 */
/* The undo stack: order, hand-over, entries that go away by other means. */
#include "tests/lib/test.h"

#include "common/base/undo.h"

static char order[32];

static void take_back(void *arg)
{
	strncat(order, arg, 1);
}

static int reset(void **state)
{
	(void)state;
	order[0] = '\0';
	return 0;
}

static void acquire(struct undo *u, bool fail)
{
	auto_undo struct undo local = UNDO_INIT;

	undo_push(&local, "a", take_back, (char[]){ 'a' });
	undo_push(&local, "b", take_back, (char[]){ 'b' });
	if (!fail)
		undo_move(u, &local);
	/* the arguments above live in this block: run while it does */
	if (!fail)
		undo_run(u);
}

static void test_failure_takes_all_back_newest_first(void **state)
{
	struct undo u = UNDO_INIT;

	(void)state;
	acquire(&u, true);
	assert_string_equal(order, "ba");
	assert_int_equal(u.n, 0);
}

static void test_success_hands_it_on(void **state)
{
	struct undo u = UNDO_INIT;

	(void)state;
	acquire(&u, false);
	assert_string_equal(order, "ba");
}

static void test_drop(void **state)
{
	static char names[] = "abc";
	struct undo u = UNDO_INIT;

	(void)state;
	for (int i = 0; i < 3; i++)
		undo_push(&u, "x", take_back, &names[i]);
	assert_true(undo_drop(&u, take_back, &names[1]));
	assert_false(undo_drop(&u, take_back, &names[1]));
	undo_run(&u);
	assert_string_equal(order, "ca");
}

static void test_forget(void **state)
{
	struct undo u = UNDO_INIT;

	(void)state;
	undo_push(&u, "a", take_back, (char[]){ 'a' });
	undo_forget(&u);
	undo_run(&u);
	assert_string_equal(order, "");
}

static void test_many(void **state)
{
	static char name[] = "x";
	struct undo u = UNDO_INIT;

	(void)state;
	for (int i = 0; i < 20; i++)
		undo_push(&u, "x", take_back, name);
	undo_run(&u);
	assert_int_equal(strlen(order), 20);
	undo_run(&u);
	assert_int_equal(strlen(order), 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_failure_takes_all_back_newest_first, reset),
		cmocka_unit_test_setup(test_success_hands_it_on, reset),
		cmocka_unit_test_setup(test_drop, reset),
		cmocka_unit_test_setup(test_forget, reset),
		cmocka_unit_test_setup(test_many, reset),
	};

	return cmocka_run_group_tests_name("undo", tests, NULL, NULL);
}
