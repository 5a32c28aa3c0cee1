/* SPDX-License-Identifier: Apache-2.0 */
/* Names of limits and capabilities, and profiles of system calls. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <linux/capability.h>
#include <sys/resource.h>

#include "agent/confine/capabilities.h"
#include "agent/confine/rlimits.h"
#include "agent/confine/seccomp.h"

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
		int want; /* -1: refused */
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
		char *const name[] = { (char *)(uintptr_t)cases[i].name };
		struct err e = ERR_INIT;
		uint64_t mask = 0;

		assert_int_equal(capabilities_parse(name, 1, &mask, &e),
				 cases[i].want < 0 ? -1 : 0);
		if (cases[i].want >= 0)
			assert_true(mask == (uint64_t)1 << cases[i].want);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(knows_limits),
		cmocka_unit_test(refuses_a_limit_given_twice),
		cmocka_unit_test(knows_capabilities),
		cmocka_unit_test(builds_profiles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
