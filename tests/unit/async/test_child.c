/* SPDX-License-Identifier: Apache-2.0 */
/* Children: exit codes, signals, descriptors, failed steps, ownership. */
#include "tests/lib/test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#include "common/async/child.h"
#include "common/async/fiber.h"
#include "common/base/fd.h"
#include "common/base/mem.h"

static struct {
	struct err e;
	int r, code;
	bool owned_before, owned_after;
	char text[256];
} seen;

static int reset(void **state)
{
	(void)state;
	memset(&seen, 0, sizeof(seen));
	return 0;
}

static void run(const char *const *argv, int signal)
{
	const struct child_spec spec = { .name = "program", .argv = argv };
	struct child *c = child_spawn(&spec, &seen.e);

	if (!c)
		return;
	seen.owned_before = child_owned(child_pid(c));
	if (signal)
		seen.r = child_kill(c, signal, &seen.e);
	if (seen.r == 0)
		seen.r = child_wait(c, deadline_in_ms(PATIENCE_MS), &seen.code, &seen.e);
	seen.owned_after = child_owned(child_pid(c));
	child_free(c);
}

static void exits(void *arg)
{
	const char *const argv[] = { "/bin/sh", "-c", "exit 42", NULL };

	(void)arg;
	run(argv, 0);
}

static void test_exit_code(void **state)
{
	(void)state;
	fiber_main(exits, NULL);
	assert_int_equal(seen.r, 0);
	assert_int_equal(seen.code, 42);
	assert_true(seen.owned_before);
	/* It was collected: the number may be anybody's by now. */
	assert_false(seen.owned_after);
}

/* Not through a shell: dash can miss a SIGINT that comes just before it waits for its child. */
static void signalled(void *arg)
{
	const char *const argv[] = { "/bin/sleep", "100", NULL };

	run(argv, *(int *)arg);
}

static void test_signals_are_128_plus(void **state)
{
	static int signals[] = { SIGKILL, SIGTERM, SIGINT };

	/* As a shell leaves it for a job in the background: children must not inherit that. */
	(void)signal(SIGINT, SIG_IGN);
	for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
		(void)reset(state);
		fiber_main(signalled, &signals[i]);
		assert_int_equal(seen.r, 0);
		assert_int_equal(seen.code, 128 + signals[i]);
	}
}

static void missing(void *arg)
{
	const char *const argv[] = { "/no/such/program", NULL };
	const struct child_spec spec = { .name = "nothing", .argv = argv };

	(void)arg;
	seen.r = child_spawn(&spec, &seen.e) ? 0 : -1;
}

static void test_missing_program(void **state)
{
	siginfo_t si;

	fiber_main(missing, NULL);
	assert_int_equal(seen.r, -1);
	assert_int_equal(seen.e.code, ERR_NOT_FOUND);
	assert_string_equal(seen.e.text,
			    "start nothing (/no/such/program): exec: No such file or directory");
	assert_int_equal(waitid(P_ALL, 0, &si, WEXITED | WNOHANG), -1); /* nothing left behind */
	(void)state;
}

static int refuse(void *arg, const char **ret_step)
{
	(void)arg;
	*ret_step = "drop everything";
	errno = EPERM;
	return -1;
}

static void failing_step(void *arg)
{
	const char *const argv[] = { "/bin/true", NULL };
	const struct child_spec spec = { .name = "shy", .argv = argv, .before_exec = refuse };

	(void)arg;
	seen.r = child_spawn(&spec, &seen.e) ? 0 : -1;
}

static void test_failing_step_is_named(void **state)
{
	(void)state;
	fiber_main(failing_step, NULL);
	assert_int_equal(seen.r, -1);
	assert_int_equal(seen.e.code, ERR_DENIED);
	assert_non_null(strstr(seen.e.text, "drop everything"));
}

/* Two descriptors that trade places, and one that nobody asked for, which must not get through. */
static void descriptors(void *arg)
{
	const char *const argv[] = { "/bin/sh", "-c",
				     "echo one >&4; echo two >&3; ls /proc/self/fd >&4", NULL };
	int a[2], b[2], stray = open("/dev/zero", O_RDONLY);
	const struct child_fd fds[] = { { 0, 4 }, { 0, 3 } };
	struct child_fd real[2];
	struct child_spec spec = { .name = "fds", .argv = argv, .n_fds = 2 };
	auto_free char *text = NULL;
	struct child *c;

	(void)arg;
	memcpy(real, fds, sizeof(real));
	if (stray < 0 || pipe2(a, 0) < 0 || pipe2(b, 0) < 0)
		abort();
	real[0].from = a[1];
	real[1].from = b[1];
	spec.fds = real;
	c = child_spawn(&spec, &seen.e);
	(void)close(a[1]);
	(void)close(b[1]);
	if (c && child_wait(c, deadline_in_ms(PATIENCE_MS), &seen.code, &seen.e) == 0 &&
	    fd_read_all(a[0], 1000, "pipe", &text, NULL, &seen.e) == 0)
		(void)snprintf(seen.text, sizeof(seen.text), "%s", text);
	child_free(c);
	(void)close(a[0]);
	(void)close(b[0]);
	(void)close(stray);
}

static void test_descriptors(void **state)
{
	(void)state;
	fiber_main(descriptors, NULL);
	/* 5 is ls's own descriptor of the directory */
	assert_string_equal(seen.text, "one\n0\n1\n2\n3\n4\n5\n");
}

static void freed_while_running(void *arg)
{
	const char *const argv[] = { "/bin/sleep", "1000", NULL };
	const struct child_spec spec = { .name = "sleep", .argv = argv, .die_with_parent = true };
	struct child *c = child_spawn(&spec, &seen.e);
	pid_t pid;

	(void)arg;
	if (!c)
		return;
	pid = child_pid(c);
	child_free(c);
	seen.r = kill(pid, 0);
	seen.owned_after = child_owned(pid);
}

static void test_free_kills_and_reaps(void **state)
{
	(void)state;
	fiber_main(freed_while_running, NULL);
	assert_int_equal(seen.r, -1);
	assert_false(seen.owned_after);
}

static int never_ready(void *arg, const char **ret_step)
{
	(void)arg;
	*ret_step = "wait";
	while (pause() < 0)
		;
	return 0;
}

/* As in a cgroup that somebody has frozen. */
static void stuck_before_exec(void *arg)
{
	const char *const argv[] = { "/bin/true", NULL };
	const struct child_spec spec = {
		.name = "true", .argv = argv, .before_exec = never_ready, .die_with_parent = true
	};

	(void)arg;
	seen.r = child_spawn(&spec, &seen.e) ? 0 : -1;
}

static void test_stuck_before_exec(void **state)
{
	siginfo_t si;

	(void)state;
	fiber_main(stuck_before_exec, NULL);
	assert_int_equal(seen.r, -1);
	assert_int_equal(seen.e.code, ERR_TIMEOUT);
	assert_string_equal(seen.e.text, "start true (/bin/true): not executed in 20 s");
	/* fiber_main() does not wait for what was given up. */
	assert_true(waitid(P_ALL, 0, &si, WEXITED) == 0 || errno == ECHILD);
	assert_int_equal(waitid(P_ALL, 0, &si, WEXITED | WNOHANG), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_exit_code, reset),
		cmocka_unit_test_setup(test_signals_are_128_plus, reset),
		cmocka_unit_test_setup(test_missing_program, reset),
		cmocka_unit_test_setup(test_failing_step_is_named, reset),
		cmocka_unit_test_setup(test_descriptors, reset),
		cmocka_unit_test_setup(test_free_kills_and_reaps, reset),
		cmocka_unit_test_setup(test_stuck_before_exec, reset),
	};

	return cmocka_run_group_tests_name("child", tests, NULL, NULL);
}
