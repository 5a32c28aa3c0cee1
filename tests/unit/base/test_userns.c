/* SPDX-License-Identifier: Apache-2.0 */
/* User namespaces by descriptor. Needs the right to make them. */
#include "tests/lib/test.h"

#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/userns.h"

#define MAP "0 100000 10\n"

enum {
	MADE,
	REFUSED,
	OTHER
};

/* Whether we may, found out in a process of its own: one in a new namespace is no test program any more. */
static bool may_make_them(void)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(geteuid() == 0 && unshare(CLONE_NEWUSER) == 0 ? 0 : 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status == 0;
}

static void has_its_maps(void **state)
{
	struct err e = ERR_INIT;
	char text[64] = "";
	siginfo_t left;
	int ns, out[2], status;
	pid_t pid;

	(void)state;
	if (!may_make_them())
		skip();
	ns = userns_with_maps(MAP, MAP, &e);
	if (ns < 0)
		fail_msg("%s", e.text);
	assert_int_equal(pipe(out), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		int map;

		if (setns(ns, CLONE_NEWUSER) < 0)
			_exit(1);
		map = open("/proc/self/uid_map", O_RDONLY | O_CLOEXEC);
		_exit(read(map, text, sizeof(text)) > 0 &&
				      write(out[1], text, strlen(text)) == (ssize_t)strlen(text)
			      ? 0
			      : 2);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_true(read(out[0], text, sizeof(text) - 1) > 0);
	assert_non_null(strstr(text, "100000"));
	/* Its process is collected. */
	assert_int_equal(waitid(P_ALL, 0, &left, WEXITED | WNOHANG | WNOWAIT | __WALL), -1);
	(void)close(ns);
	(void)close(out[0]);
	(void)close(out[1]);
}

/* The child inherits a filter by which opening its directory of /proc is its end. */
static _Noreturn void make_with_a_child_that_dies(void)
{
	const struct rlimit none = { 0, 0 };
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	struct err e = ERR_INIT;

	(void)alarm(PATIENCE_MS / 1000);
	(void)setrlimit(RLIMIT_CORE, &none);
	if (!filter ||
	    seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, SCMP_SYS(openat), 1,
			     SCMP_A2(SCMP_CMP_MASKED_EQ, O_DIRECTORY, O_DIRECTORY)) < 0 ||
	    seccomp_load(filter) < 0)
		_exit(OTHER);
	if (userns_with_maps(MAP, MAP, &e) >= 0)
		_exit(MADE);
	_exit(strcmp(e.text, "make a user namespace: its process ended at once") == 0 ? REFUSED
										      : OTHER);
}

static void ends_when_its_process_is_killed(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	if (!may_make_them())
		skip();
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		make_with_a_child_that_dies();
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), REFUSED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(has_its_maps),
		cmocka_unit_test(ends_when_its_process_is_killed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
