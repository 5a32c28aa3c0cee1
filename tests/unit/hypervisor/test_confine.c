/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Confinement as the confined process sees it: a shell that looks at itself. Putting it on takes
 * root; without it only the preparation is tested.
 */
#include "tests/lib/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/async/child.h"
#include "common/async/fiber.h"
#include "common/base/fd.h"
#include "common/base/mem.h"
#include "hypervisor/confine.h"

struct run {
	struct confine_spec spec;
	const char *script;
	int code;
	char *output;
	int r;
	struct err e;
};

static void run_confined(void *arg)
{
	struct run *run = arg;
	const char *const argv[] = { "/bin/sh", "-c", run->script, NULL };
	struct child_fd out = { .to = STDOUT_FILENO };
	struct child_spec spec = { .name = "shell",
				   .argv = argv,
				   .fds = &out,
				   .n_fds = 1,
				   .die_with_parent = true,
				   .before_exec = confine_enter };
	auto_confine struct confine *confine = NULL;
	struct child *child;
	int fds[2];

	run->r = confine_new(&run->spec, &confine, &run->e);
	if (run->r < 0 || !run->script)
		return;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	out.from = fds[1];
	spec.clone_flags = confine_clone_flags(confine);
	spec.arg = confine;
	child = child_spawn(&spec, &run->e);
	(void)close(fds[1]);
	run->r = child ? child_wait(child, deadline_in_ms(PATIENCE_MS), &run->code, &run->e) : -1;
	if (run->r == 0)
		run->r = fd_read_all(fds[0], 65536, "output", &run->output, NULL, &run->e);
	(void)close(fds[0]);
	child_free(child);
}

/* Its output, for free(). */
static char *look(enum confine_role role, const char *user, const char *script)
{
	struct run run = { .spec = { .role = role, .user = user, .netns_fd = -1 },
			   .script = script };

	fiber_main(run_confined, &run);
	assert_ok(run.r, &run.e);
	return run.output;
}

static void need_root(void)
{
	if (geteuid() != 0)
		skip();
}

static const char status[] = "sed -n 's/^\\(CapEff\\|CapBnd\\|NoNewPrivs\\|Seccomp\\):\\t/\\1=/p' "
			     "/proc/self/status | tr '\\n' ' '";

static void test_root_without_capabilities(void **state)
{
	auto_free char *got = NULL;

	(void)state;
	need_root();
	got = look(CONFINE_VMM, "", status);
	assert_string_equal(got, "CapEff=0000000000000000 CapBnd=0000000000000000 NoNewPrivs=1 "
				 "Seccomp=2 ");
}

static void test_limits(void **state)
{
	auto_free char *got = NULL;
	struct rlimit files, fewer;

	(void)state;
	need_root();
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
	fewer = (struct rlimit){ .rlim_cur = 300, .rlim_max = files.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &fewer), 0);
	got = look(CONFINE_VMM, "", "ulimit -c; test $(ulimit -Sn) = $(ulimit -Hn) && echo raised");
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
	assert_string_equal(got, "0\nraised\n");
}

static void test_user(void **state)
{
	auto_free char *got = NULL;

	(void)state;
	need_root();
	got = look(CONFINE_DAEMON, "nobody",
		   "id -u; id -G | wc -w; grep -c '^CapEff:.0*$' "
		   "/proc/self/status");
	assert_string_equal(got, "65534\n1\n1\n");
}

static void test_fs_daemon_keeps_a_few(void **state)
{
	auto_free char *got = NULL;

	(void)state;
	need_root();
	/* CHOWN to FSETID without KILL, SETGID, SETUID, SETPCAP; SYS_CHROOT, SYS_ADMIN; MKNOD, SETFCAP */
	got = look(CONFINE_FS_DAEMON, "", status);
	assert_string_equal(got, "CapEff=00000000882401df CapBnd=00000000882401df NoNewPrivs=1 "
				 "Seccomp=2 ");
}

static void test_what_is_denied(void **state)
{
	auto_free char *got = NULL;

	char pid[16];

	(void)state;
	need_root();
	(void)snprintf(pid, sizeof(pid), "%d", (int)getpid());
	assert_int_equal(setenv("HUSK_TEST_PID", pid, 1), 0);
	got = look(CONFINE_VMM, "",
		   "(: > /tmp/husk-confine-test) 2>/dev/null && echo wrote;"
		   "unshare -m true 2>/dev/null && echo unshared;"
		   "mount -t tmpfs none /mnt 2>/dev/null && echo mounted;"
		   "kill -0 $HUSK_TEST_PID 2>/dev/null && echo saw parent;"
		   "ls /sys/class/net >/dev/null; grep -c : /proc/net/dev; ulimit -c; echo done");
	assert_string_equal(got, "1\n0\ndone\n");
}

static void test_preparation(void **state)
{
	struct run no_user = {
		.spec = { .role = CONFINE_VMM, .user = "no-such-user-of-husk", .netns_fd = -1 }
	};
	struct run no_cgroup = { .spec = { .role = CONFINE_VMM,
					   .user = "",
					   .netns_fd = -1,
					   .cgroups = "/nonexistent/list" } };

	(void)state;
	fiber_main(run_confined, &no_user);
	assert_int_equal(no_user.e.code, ERR_NOT_FOUND);
	assert_non_null(strstr(no_user.e.text, "'no-such-user-of-husk'"));
	fiber_main(run_confined, &no_cgroup);
	assert_int_equal(no_cgroup.e.code, ERR_NOT_FOUND);
	assert_non_null(strstr(no_cgroup.e.text, "list of cgroups"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_root_without_capabilities),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_user),
		cmocka_unit_test(test_fs_daemon_keeps_a_few),
		cmocka_unit_test(test_what_is_denied),
		cmocka_unit_test(test_preparation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
