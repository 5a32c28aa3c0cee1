/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Start and stop of a sandbox, each acquisition of a start failed in turn, an agent that refuses or never
 * answers, two sandboxes of one name.
 */
#include "tests/lib/test.h"

#include <errno.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "common/base/path.h"
#include "tests/unit/shim/sandbox_case.h"

/*
 * The n-th call of these fails, in whatever file it is made (linked with --wrap). They are what a
 * start acquires by; undo uses others.
 */
static unsigned calls, fail_at;

static bool fails(void)
{
	if (fail_at == 0 || ++calls != fail_at)
		return false;
	errno = ENOSPC;
	return true;
}

int __real_mkdir(const char *path, mode_t mode);
int __wrap_mkdir(const char *path, mode_t mode);
int __wrap_mkdir(const char *path, mode_t mode)
{
	return fails() ? -1 : __real_mkdir(path, mode);
}

int __real_mkdirat(int dir, const char *path, mode_t mode);
int __wrap_mkdirat(int dir, const char *path, mode_t mode);
int __wrap_mkdirat(int dir, const char *path, mode_t mode)
{
	return fails() ? -1 : __real_mkdirat(dir, path, mode);
}

int __real_open_tree(int dir, const char *path, unsigned int flags);
int __wrap_open_tree(int dir, const char *path, unsigned int flags);
int __wrap_open_tree(int dir, const char *path, unsigned int flags)
{
	return fails() ? -1 : __real_open_tree(dir, path, flags);
}

int __real_move_mount(int from, const char *a, int to, const char *b, unsigned int flags);
int __wrap_move_mount(int from, const char *a, int to, const char *b, unsigned int flags);
int __wrap_move_mount(int from, const char *a, int to, const char *b, unsigned int flags)
{
	return fails() ? -1 : __real_move_mount(from, a, to, b, flags);
}

int __real_mount(const char *from, const char *to, const char *type, unsigned long flags,
		 const void *data);
int __wrap_mount(const char *from, const char *to, const char *type, unsigned long flags,
		 const void *data);
int __wrap_mount(const char *from, const char *to, const char *type, unsigned long flags,
		 const void *data)
{
	return fails() ? -1 : __real_mount(from, to, type, flags, data);
}

int __real_setxattr(const char *path, const char *name, const void *value, size_t len, int flags);
int __wrap_setxattr(const char *path, const char *name, const void *value, size_t len, int flags);
int __wrap_setxattr(const char *path, const char *name, const void *value, size_t len, int flags)
{
	return fails() ? -1 : __real_setxattr(path, name, value, len, flags);
}

static void test_whole_life(void **state)
{
	(void)state;
	if (t.skip)
		skip();
	fiber_main(whole_life, NULL);
	if (t.result < 0)
		fail_msg("%s", t.e.text);
	assert_true(t.ok);
	assert_true(fake_hv.had_share);
	assert_true(fake_hv.had_cgroup);
	assert_string_equal(fake_hv.rootfs, "/run/kata-containers/shared/containers/c1/rootfs");
	assert_string_equal(fake_hv.storages, "/run/kata-containers/shared/containers/ "
					      "/run/kata-containers/sandbox/shm");
	assert_non_null(strstr(fake_hv.methods, "CreateContainer RemoveContainer DestroySandbox"));
	assert_string_equal(t.why.text, "the sandbox was stopped");
}

static void test_each_acquisition_fails(void **state)
{
	(void)state;
	if (t.skip)
		skip();
	t.result = -1;
	for (fail_at = 1; t.result < 0; fail_at++) {
		calls = 0;
		t.e = ERR_INIT;
		fiber_main(whole_life, NULL);
		if (t.result < 0 && !strstr(t.e.text, "start sandbox s1: ") &&
		    !strstr(t.e.text, "create container c1: "))
			fail_msg("call %u: '%s'", fail_at, t.e.text);
		check_nothing_left();
		assert_in_range(fail_at, 1, 200);
	}
	assert_in_range(fail_at, 15, 200); /* it did count */
	fail_at = 0;
}

static void test_agent_refuses(void **state)
{
	static const char *const methods[] = { "CreateSandbox", "CreateContainer" };

	(void)state;
	if (t.skip)
		skip();
	for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
		fake_hv.refuse = methods[i];
		fake_hv.last_words = "guest console: oh no";
		fiber_main(whole_life, NULL);
		assert_int_equal(t.result, -1);
		assert_non_null(strstr(t.e.text, methods[i]));
		assert_non_null(strstr(t.e.text, "refused by the script"));
		check_nothing_left();
	}
}

static void test_agent_never_answers(void **state)
{
	(void)state;
	if (t.skip)
		skip();
	t.config.agent.dial_timeout_s = 1;
	fake_hv.silent = true;
	fake_hv.last_words = "guest console: Kernel panic";
	fiber_main(start_only, NULL);
	assert_int_equal(t.result, -1);
	assert_int_equal(t.e.code, ERR_TIMEOUT);
	assert_string_equal(t.e.text, "start sandbox s1: connect to agent: no answer in 1 s; guest "
				      "console: Kernel panic");
	assert_in_range(t.ms, 950, AT_ONCE_MS);
}

/* A connection that was accepted and carries nothing is given up for another. */
static void test_first_connection_is_dead(void **state)
{
	(void)state;
	if (t.skip)
		skip();
	t.config.agent.dial_timeout_s = PATIENCE_MS / 1000;
	fake_hv.lost_calls = 1;
	fiber_main(start_only, NULL);
	assert_ok(t.result, &t.e);
	assert_in_range(t.ms, 1900, AT_ONCE_MS);
}

static void start_twice(void *arg)
{
	struct sandbox *s = NULL, *other = NULL;

	(void)arg;
	t.result = start(&s, &t.e);
	if (t.result < 0)
		return;
	t.second = start(&other, &t.e);
	t.ok = sandbox_clean_up(t.state_dir, "default", "s1", &t.why) < 0 && sandbox_alive(s);
	sandbox_free(s);
}

/* containerd has containers of the same id in two namespaces: they have nothing in common. */
static void start_in_two_namespaces(void *arg)
{
	struct sandbox_params p = {
		.id = "s1", .ns = "other", .bundle = t.bundle, .config = &t.config, .spec = t.spec
	};
	struct sandbox *s = NULL, *other = NULL;

	(void)arg;
	t.result = start(&s, &t.e);
	if (t.result < 0)
		return;
	t.second = sandbox_start(&p, DEADLINE_NEVER, &other, &t.e);
	t.ok = count_entries(t.state_dir) == 2;
	sandbox_free(s);
	t.ok = t.ok && count_entries(t.state_dir) == 1 && (!other || sandbox_alive(other));
	sandbox_free(other);
}

static void test_two_namespaces(void **state)
{
	(void)state;
	if (t.skip)
		skip();
	fiber_main(start_in_two_namespaces, NULL);
	if (t.result < 0 || t.second < 0)
		fail_msg("%s", t.e.text);
	assert_true(t.ok);
}

static void test_one_at_a_time(void **state)
{
	(void)state;
	if (t.skip)
		skip();
	fiber_main(start_twice, NULL);
	assert_int_equal(t.result, 0);
	assert_int_equal(t.second, -1);
	assert_int_equal(t.e.code, ERR_EXISTS);
	assert_true(t.ok);
	assert_int_equal(t.why.code, ERR_STATE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_whole_life),
		CASE(test_agent_refuses),
		CASE(test_agent_never_answers),
		CASE(test_first_connection_is_dead),
		CASE(test_one_at_a_time),
		CASE(test_two_namespaces),
		CASE(test_each_acquisition_fails),
	};

	return cmocka_run_group_tests_name("sandbox", tests, group_set_up, group_tear_down);
}
