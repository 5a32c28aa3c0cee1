/* SPDX-License-Identifier: Apache-2.0 */
/* Names of limits and capabilities, and profiles of system calls. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "agent/confine/capabilities.h"
#include "agent/confine/lsm.h"
#include "agent/confine/rlimits.h"
#include "agent/confine/seccomp.h"
#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/path.h"

static void knows_limits(void **state)
{
	struct err e = ERR_INIT;
	int number = -1;

	(void)state;
	assert_int_equal(rlimit_number("RLIMIT_NOFILE", &number, &e), 0);
	assert_int_equal(number, RLIMIT_NOFILE);
	assert_int_equal(rlimit_number("RLIMIT_STACK", &number, &e), 0);
	assert_int_equal(number, RLIMIT_STACK);
	assert_int_equal(rlimit_number("NOFILE", &number, &e), -1);
	assert_int_equal(rlimit_number("", &number, &e), -1);
	assert_int_equal(e.code, ERR_INVALID);
}

static void refuses_a_limit_given_twice(void **state)
{
	Grpc__POSIXRlimit limit, *limits[] = { &limit, &limit };
	struct rlimit now;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_CORE, &now), 0);
	grpc__posixrlimit__init(&limit);
	limit.type = (char *)(uintptr_t) "RLIMIT_CORE";
	limit.soft = now.rlim_cur;
	limit.hard = now.rlim_max;
	assert_int_equal(rlimits_apply(limits, 1, &e), 0);
	assert_int_equal(rlimits_apply(limits, 2, &e), -1);
	assert_int_equal(e.code, ERR_INVALID);
}

static void knows_capabilities(void **state)
{
	static const struct {
		const char *name;
		int want; /* -1: left out */
	} cases[] = {
		{ "CAP_CHOWN", CAP_CHOWN },
		{ "CAP_SYS_ADMIN", CAP_SYS_ADMIN },
		{ "CAP_AUDIT_READ", CAP_AUDIT_READ },
		{ "CAP_CHECKPOINT_RESTORE", CAP_CHECKPOINT_RESTORE },
		{ "SYS_ADMIN", -1 },
		{ "CAP_", -1 },
		{ "CAP_FLY", -1 },
		{ "", -1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char *const name[] = { (char *)(uintptr_t)cases[i].name,
				       (char *)(uintptr_t)cases[i].name };
		auto_strv char **unknown = NULL;
		uint64_t mask = capabilities_parse(name, 2, &unknown);

		if (cases[i].want >= 0)
			assert_true(mask == (uint64_t)1 << cases[i].want && !unknown);
		else
			assert_true(mask == 0 && strv_len((const char *const *)unknown) == 1);
	}
}

struct profile {
	const char *action, *arch, *flag, *syscall, *syscall_action, *op;
	uint64_t index;
	enum err_code want;
};

static enum err_code build(const struct profile *p)
{
	char *arch[] = { (char *)(uintptr_t)p->arch };
	char *flag[] = { (char *)(uintptr_t)p->flag };
	char *name[] = { (char *)(uintptr_t)p->syscall };
	Grpc__LinuxSeccompArg arg, *args[] = { &arg, &arg };
	Grpc__LinuxSyscall call, *calls[] = { &call };
	Grpc__LinuxSeccomp spec;
	struct err e = ERR_INIT;
	struct seccomp_filter *f;

	grpc__linux_seccomp__init(&spec);
	grpc__linux_syscall__init(&call);
	grpc__linux_seccomp_arg__init(&arg);
	spec.defaultaction = (char *)(uintptr_t)p->action;
	spec.architectures = arch;
	spec.n_architectures = p->arch != NULL;
	spec.flags = flag;
	spec.n_flags = p->flag != NULL;
	spec.syscalls = calls;
	spec.n_syscalls = p->syscall != NULL;
	call.names = name;
	call.n_names = 1;
	call.action = (char *)(uintptr_t)p->syscall_action;
	call.args = args;
	call.n_args = p->op ? 2 : 0; /* twice the same argument: alternatives */
	arg.op = (char *)(uintptr_t)p->op;
	arg.index = p->index;
	arg.value = 1;
	f = seccomp_build(&spec, &e);
	assert_int_equal(f != NULL, e.code == ERR_NONE);
	seccomp_free(f);
	return e.code;
}

static void builds_profiles(void **state)
{
	static const struct profile cases[] = {
		{ .action = "SCMP_ACT_ALLOW" },
		{ .action = "SCMP_ACT_ERRNO",
		  .arch = "SCMP_ARCH_X86_64",
		  .flag = "SECCOMP_FILTER_FLAG_LOG",
		  .syscall = "read",
		  .syscall_action = "SCMP_ACT_ALLOW",
		  .op = "SCMP_CMP_MASKED_EQ" },
		{ .action = "SCMP_ACT_ERRNO",
		  .arch = "SCMP_ARCH_AARCH64",
		  .syscall = "no_such_call",
		  .syscall_action = "SCMP_ACT_ALLOW" },
		/* The default action again says nothing. */
		{ .action = "SCMP_ACT_ALLOW",
		  .syscall = "read",
		  .syscall_action = "SCMP_ACT_ALLOW" },
		{ .action = "SCMP_ACT_KILL_PROCESS",
		  .syscall = "read",
		  .syscall_action = "SCMP_ACT_LOG" },
		{ .action = "SCMP_ACT_ALLOW", .flag = "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV" },
		{ .action = "", .want = ERR_INVALID },
		{ .action = "SCMP_ACT_NOTIFY", .want = ERR_UNSUPPORTED },
		{ .action = "SCMP_ACT_ALLOW", .arch = "SCMP_ARCH_PDP11", .want = ERR_INVALID },
		{ .action = "SCMP_ACT_ALLOW", .arch = "x86_64", .want = ERR_INVALID },
		{ .action = "SCMP_ACT_ALLOW", .flag = "SECCOMP_X", .want = ERR_INVALID },
		{ .action = "SCMP_ACT_ALLOW",
		  .syscall = "read",
		  .syscall_action = "SCMP_ACT_X",
		  .want = ERR_INVALID },
		{ .action = "SCMP_ACT_ALLOW",
		  .syscall = "read",
		  .syscall_action = "SCMP_ACT_ERRNO",
		  .op = "SCMP_CMP_X",
		  .want = ERR_INVALID },
		{ .action = "SCMP_ACT_ALLOW",
		  .syscall = "read",
		  .syscall_action = "SCMP_ACT_ERRNO",
		  .op = "SCMP_CMP_EQ",
		  .index = 6,
		  .want = ERR_INVALID },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(build(&cases[i]), cases[i].want);
}

/* A directory that stands for /sys and /proc/self. */
static char tree[64];

static int plant(void **state)
{
	(void)state;
	(void)snprintf(tree, sizeof(tree), "/tmp/husk-lsm-XXXXXX");
	return mkdtemp(tree) ? 0 : -1;
}

static int fell(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	return path_remove_tree(AT_FDCWD, tree, &e);
}

static void put(const char *name, const char *text)
{
	auto_free char *path = path_join(tree, name);
	struct err e = ERR_INIT;
	auto_close int fd = -1;

	*strrchr(path, '/') = '\0';
	assert_int_equal(path_mkdirs(path, 0755, &e), 0);
	path[strlen(path)] = '/';
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_int_equal(write_all(fd, text, strlen(text)), 0);
}

static void finds_security_modules(void **state)
{
	(void)state;
	assert_false(lsm_active(tree, LSM_APPARMOR));
	assert_false(lsm_active(tree, LSM_SELINUX));
	put("module/apparmor/parameters/enabled", "N\n");
	assert_false(lsm_active(tree, LSM_APPARMOR));
	put("module/apparmor/parameters/enabled", "Y\n");
	assert_true(lsm_active(tree, LSM_APPARMOR));
	assert_false(lsm_active(tree, LSM_SELINUX));
	put("fs/selinux/enforce", "1");
	assert_true(lsm_active(tree, LSM_SELINUX));
}

/* What was written to `name` of the tree. */
static void assert_written(const char *name, const char *want)
{
	auto_free char *path = path_join(tree, name);
	auto_free char *got = NULL;
	struct err e = ERR_INIT;

	assert_int_equal(file_read(AT_FDCWD, path, 8192, &got, NULL, &e), 0);
	assert_string_equal(got, want);
}

static void set_exec(enum lsm which, const char *label)
{
	struct err e = ERR_INIT;
	auto_close int fd = lsm_open_exec(tree, which, &e);

	assert_true(fd >= 0);
	assert_int_equal(lsm_set_exec(fd, which, label, &e), 0);
}

static void writes_labels(void **state)
{
	(void)state;
	put("attr/exec", "");
	set_exec(LSM_APPARMOR, "older-kernel");
	assert_written("attr/exec", "exec older-kernel");
	put("attr/exec", "");
	put("attr/apparmor/exec", "");
	set_exec(LSM_APPARMOR, "cri-containerd.apparmor.d");
	assert_written("attr/apparmor/exec", "exec cri-containerd.apparmor.d");
	assert_written("attr/exec", "");
	set_exec(LSM_SELINUX, "system_u:system_r:container_t:s0:c1,c2");
	assert_written("attr/exec", "system_u:system_r:container_t:s0:c1,c2");
}

static void refuses_labels(void **state)
{
	char *label = xcalloc(4096 + 1, 1);
	struct err e = ERR_INIT;
	int fd;

	(void)state;
	assert_int_equal(lsm_open_exec(tree, LSM_SELINUX, &e), -1);
	put("attr/exec", "");
	e = ERR_INIT;
	fd = lsm_open_exec(tree, LSM_SELINUX, &e);
	assert_true(fd >= 0);
	for (int i = 0; i < 4095; i++)
		label[i] = 'a';
	assert_int_equal(lsm_set_exec(fd, LSM_SELINUX, label, &e), 0);
	label[4095] = 'a';
	assert_int_equal(lsm_set_exec(fd, LSM_SELINUX, label, &e), -1);
	assert_int_equal(e.code, ERR_INVALID);
	(void)close(fd);
	free(label);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(knows_limits),
		cmocka_unit_test(refuses_a_limit_given_twice),
		cmocka_unit_test(knows_capabilities),
		cmocka_unit_test(builds_profiles),
		cmocka_unit_test_setup_teardown(finds_security_modules, plant, fell),
		cmocka_unit_test_setup_teardown(writes_labels, plant, fell),
		cmocka_unit_test_setup_teardown(refuses_labels, plant, fell),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
