/* SPDX-License-Identifier: Apache-2.0 */
/* The real unified hierarchy: create, join, freeze, kill, filter devices, remove. Needs root. */
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/cgroup/cgroup.h"
#include "agent/cgroup/root.h"
#include "common/async/fiber.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "tests/component/assert.h"

#define WAIT_MS 60000

static char *name;
static struct cgroup *cg;

static pid_t clone_into(int fd)
{
	struct clone_args args = {
		.flags = CLONE_INTO_CGROUP,
		.exit_signal = SIGCHLD,
		.cgroup = (uint64_t)fd,
	};

	return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

static pid_t start_sleeper(int fd)
{
	pid_t pid = clone_into(fd);

	assert_true(pid >= 0);
	if (pid == 0) {
		(void)alarm(600);
		for (;;)
			(void)pause();
	}
	return pid;
}

static void freezes_kills_and_removes(void **state)
{
	struct err e = ERR_INIT;
	auto_free pid_t *pids = NULL;
	auto_free char *root = NULL;
	auto_free char *path = NULL;
	pid_t one, two;
	bool populated;
	size_t n;
	int exec_fd, status;

	(void)state;
	one = start_sleeper(cgroup_fd(cg));
	assert_int_equal(cgroup_populated(cg, &populated, &e), 0);
	assert_true(populated);
	/* Somebody is in it: not to be taken over. */
	assert_null(cgroup_create(name, "x", &e));
	assert_int_equal(e.code, ERR_EXISTS);

	assert_int_equal(cgroup_root_find(&root, &e), 0);
	path = xasprintf("%s%s/init", root, cgroup_path(cg));
	assert_int_equal(mkdir(path, 0755), 0);
	exec_fd = cgroup_exec_fd(cg, &e);
	assert_true(exec_fd >= 0);
	two = start_sleeper(exec_fd);
	(void)close(exec_fd);
	assert_int_equal(cgroup_pids(cg, &pids, &n, &e), 0);
	assert_int_equal(n, 2);
	assert_true(pids[0] + pids[1] == one + two);

	assert_int_equal(cgroup_freeze(cg, deadline_in_ms(WAIT_MS), &e), 0);
	assert_int_equal(cgroup_thaw(cg, deadline_in_ms(WAIT_MS), &e), 0);
	assert_int_equal(cgroup_freeze(cg, deadline_in_ms(WAIT_MS), &e), 0);

	assert_int_equal(cgroup_remove(cg, deadline_in_ms(20), &e), -1);
	assert_non_null(strstr(e.text, "remove cgroup"));

	/* Frozen ones die as well. */
	assert_int_equal(cgroup_kill(cg, &e), 0);
	assert_int_equal(waitpid(one, &status, 0), one);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	assert_int_equal(waitpid(two, &status, 0), two);
	assert_int_equal(cgroup_remove(cg, deadline_in_ms(WAIT_MS), &e), 0);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(cgroup_remove(cg, deadline_in_ms(WAIT_MS), &e), 0);
}

static int open_in(int fd, const char *path)
{
	pid_t pid = clone_into(fd);
	int status;

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(open(path, O_RDWR | O_CLOEXEC) >= 0 ? 0 : errno);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void filters_devices(void **state)
{
	Grpc__LinuxResources resources;
	Grpc__LinuxDeviceCgroup rule[2], *rules[] = { &rule[0], &rule[1] };
	struct err e = ERR_INIT;
	auto_free char *skipped = NULL;

	(void)state;
	grpc__linux_resources__init(&resources);
	grpc__linux_device_cgroup__init(&rule[0]);
	rule[0].type = (char *)(uintptr_t) "a";
	rule[0].access = (char *)(uintptr_t) "rwm";
	resources.devices = rules;
	resources.n_devices = 1;
	assert_int_equal(cgroup_apply(cg, &resources, &skipped, &e), 0);
	if (skipped) {
		print_message("not tested: %s\n", skipped);
	} else {
		assert_int_equal(open_in(cgroup_fd(cg), "/dev/zero"), 0);
		assert_int_equal(open_in(cgroup_fd(cg), "/dev/kmsg"), EPERM);
		rule[1] = rule[0];
		rule[1].allow = 1;
		rule[1].type = (char *)(uintptr_t) "c";
		rule[1].major = 1;
		rule[1].minor = 11;
		resources.n_devices = 2;
		assert_int_equal(cgroup_apply(cg, &resources, NULL, &e), 0);
		assert_int_equal(open_in(cgroup_fd(cg), "/dev/kmsg"), 0);
	}
	assert_int_equal(cgroup_remove(cg, deadline_in_ms(WAIT_MS), &e), 0);
}

static int set_up(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	name = xasprintf("/husk-test-%d/inner", (int)getpid());
	cg = cgroup_create(name, "x", &e);
	if (!cg)
		print_error("%s\n", e.text);
	return cg ? 0 : -1;
}

static int tear_down(void **state)
{
	auto_free char *root = NULL;
	auto_free char *parent = NULL;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(cgroup_root_find(&root, &e), 0);
	parent = xasprintf("%s/husk-test-%d", root, (int)getpid());
	assert_int_equal(rmdir(parent), 0);
	cgroup_free(cg);
	free(name);
	return 0;
}

static int result;

static void run_in_fiber(void *arg)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(freezes_kills_and_removes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(filters_devices, set_up, tear_down),
	};

	(void)arg;
	result = cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
	auto_free char *root = NULL;
	struct err e = ERR_INIT;

	if (geteuid() != 0 || cgroup_root_find(&root, &e) < 0 || access(root, W_OK) < 0) {
		(void)puts("skipped: needs root and a cgroup2 file system");
		return 77;
	}
	fiber_main(run_in_fiber, NULL);
	return result;
}
