/* SPDX-License-Identifier: Apache-2.0 */
/* What a shim that was killed leaves: cleaned up, again where that failed, started over. */
#include "tests/lib/test.h"

#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "tests/unit/shim/sandbox_case.h"

static void start_and_crash(void *arg)
{
	struct sandbox_container *c = NULL;
	struct sandbox *s = NULL;

	(void)arg;
	if (start(&s, &t.e) < 0 || create(s, &c, &t.e) < 0)
		_exit(1);
	_exit(0);
}

static void leave_a_crash(void)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		fiber_main(start_and_crash, NULL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(count_entries(t.state_dir), 1);
	assert_true(is_mounted_below(t.state_dir));
	assert_true(cgroups_are_left());
}

static void test_clean_up_after_a_crash(void **state)
{
	struct err e = ERR_INIT;
	int64_t began;

	(void)state;
	if (t.skip)
		skip();
	assert_ok(sandbox_clean_up(t.state_dir, "default", "s1", &e),
		  &e); /* nothing there at all */
	leave_a_crash();
	began = clock_now_ms();
	assert_ok(sandbox_clean_up(t.state_dir, "default", "s1", &e), &e);
	assert_in_range(clock_now_ms() - began, 0, AT_ONCE_MS);
	assert_int_equal(fake_hv.cleaned, 1);
	check_nothing_left();
	assert_ok(sandbox_clean_up(t.state_dir, "default", "s1", &e), &e);
	assert_err(sandbox_clean_up(t.state_dir, "default", "../s1", &e), &e, ERR_INVALID, "../s1");
}

/* Killed between the making of a cgroup and the mark that it is ours. */
static void test_crash_before_a_cgroup_is_marked(void **state)
{
	static const char *const places[] = { "", "/memory", "/cpuset", "/unified" };
	struct err e = ERR_INIT;

	(void)state;
	if (t.skip)
		skip();
	leave_a_crash();
	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		auto_free char *path =
			xasprintf("/sys/fs/cgroup%s%s", places[i], t.spec->linux.cgroups_path);

		(void)removexattr(path, "trusted.husk");
	}
	assert_ok(sandbox_clean_up(t.state_dir, "default", "s1", &e), &e);
}

/* What could not be ended must not be forgotten: the next try finds all that is left. */
static void test_failed_clean_up_is_repeated(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	if (t.skip)
		skip();
	leave_a_crash();
	fake_hv.refuse_clean = true;
	assert_err(sandbox_clean_up(t.state_dir, "default", "s1", &e), &e, ERR_TIMEOUT,
		   "qemu does not end");
	fiber_main(start_only, NULL);
	assert_int_equal(t.result, -1);
	assert_non_null(strstr(t.e.text, "qemu does not end"));
	assert_int_equal(count_entries(t.state_dir), 1);
	assert_true(cgroups_are_left());
	fake_hv.refuse_clean = false;
	assert_ok(sandbox_clean_up(t.state_dir, "default", "s1", &e), &e);
}

static void test_start_over_a_crash(void **state)
{
	(void)state;
	if (t.skip)
		skip();
	leave_a_crash();
	fiber_main(whole_life, NULL);
	if (t.result < 0)
		fail_msg("%s", t.e.text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_clean_up_after_a_crash),
		CASE(test_crash_before_a_cgroup_is_marked),
		CASE(test_failed_clean_up_is_repeated),
		CASE(test_start_over_a_crash),
	};

	return cmocka_run_group_tests_name("sandbox after a crash", tests, group_set_up,
					   group_tear_down);
}
