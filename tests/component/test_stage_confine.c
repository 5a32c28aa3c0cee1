/* SPDX-License-Identifier: Apache-2.0 */
/* What a container's process may do: capabilities, limits, sysctls, seccomp, user namespace. Needs root. */
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>

#include "agent/confine/lsm.h"
#include "common/base/fd.h"
#include "common/base/mem.h"
#include "tests/component/stage_case.h"

static const char *const status_script = "grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status";

static void drops_every_capability(void **state)
{
	(void)state;
	assert_string_equal(output_of(status_script), "CapInh:\t0000000000000000\n"
						      "CapPrm:\t0000000000000000\n"
						      "CapEff:\t0000000000000000\n"
						      "CapBnd:\t0000000000000000\n"
						      "CapAmb:\t0000000000000000\n"
						      "NoNewPrivs:\t1\n"
						      "Seccomp:\t0\n");
}

static void keeps_the_capabilities_given(void **state)
{
	static const char *const names[] = { "CAP_CHOWN", "CAP_KILL", "CAP_NET_BIND_SERVICE" };
	char **list = (char **)(uintptr_t)names;

	(void)state;
	run.user.uid = 1000;
	run.process.nonewprivileges = 0;
	run.caps.bounding = run.caps.permitted = run.caps.effective = list;
	run.caps.n_bounding = 3;
	run.caps.n_permitted = run.caps.n_effective = 2;
	run.caps.inheritable = run.caps.ambient = list;
	run.caps.n_inheritable = run.caps.n_ambient = 1;
	/* Of a user that is not root only the ambient ones survive the exec (capabilities(7)). */
	assert_string_equal(output_of(status_script), "CapInh:\t0000000000000001\n"
						      "CapPrm:\t0000000000000001\n"
						      "CapEff:\t0000000000000001\n"
						      "CapBnd:\t0000000000000421\n"
						      "CapAmb:\t0000000000000001\n"
						      "NoNewPrivs:\t0\n"
						      "Seccomp:\t0\n");
}

/* A host whose kernel is newer gives its own to a privileged container. */
static void leaves_out_unknown_capabilities(void **state)
{
	static const char *const names[] = { "CAP_CHOWN", "CAP_FLY" };

	(void)state;
	run.caps.bounding = run.caps.permitted = run.caps.effective = (char **)(uintptr_t)names;
	run.caps.n_bounding = run.caps.n_permitted = run.caps.n_effective = 2;
	assert_string_equal(output_of("grep CapBnd /proc/self/status"),
			    "CapBnd:\t0000000000000001\n");
	assert_int_equal(strv_len((const char *const *)run.warnings), 1);
	assert_string_equal(run.warnings[0],
			    "capabilities that the guest does not know are left out: CAP_FLY");
}

static void sets_limits(void **state)
{
	static Grpc__POSIXRlimit limit;
	static Grpc__POSIXRlimit *limits[] = { &limit };

	(void)state;
	grpc__posixrlimit__init(&limit);
	limit.type = lit("RLIMIT_NOFILE");
	limit.soft = 123;
	limit.hard = 456;
	run.process.rlimits = limits;
	run.process.n_rlimits = 1;
	assert_string_equal(output_of("ulimit -Sn; ulimit -Hn"), "123\n456\n");
}

static void sets_sysctls(void **state)
{
	static Grpc__Linux__SysctlEntry entry;
	static Grpc__Linux__SysctlEntry *entries[] = { &entry };

	(void)state;
	grpc__linux__sysctl_entry__init(&entry);
	entry.key = lit("kernel.shm_rmid_forced");
	entry.value = lit("1");
	run.linux_part.sysctl = entries;
	run.linux_part.n_sysctl = 1;
	assert_string_equal(output_of("cat /proc/sys/kernel/shm_rmid_forced"), "1\n");
}

static void refuses_a_sysctl_of_the_guest(void **state)
{
	static Grpc__Linux__SysctlEntry entry;
	static Grpc__Linux__SysctlEntry *entries[] = { &entry };

	(void)state;
	grpc__linux__sysctl_entry__init(&entry);
	entry.key = lit("vm.swappiness");
	entry.value = lit("1");
	run.linux_part.sysctl = entries;
	run.linux_part.n_sysctl = 1;
	stage_run_shell(&run, "true");
	assert_refused("set sysctls", "vm.swappiness: it belongs to no namespace");
}

static Grpc__LinuxSeccomp filter;
static Grpc__LinuxSyscall rule;
static Grpc__LinuxSyscall *rules[] = { &rule };
static const char *const denied[] = { "mkdir", "mkdirat", "no_such_call" };

static void add_filter(void)
{
	grpc__linux_seccomp__init(&filter);
	grpc__linux_syscall__init(&rule);
	filter.defaultaction = lit("SCMP_ACT_ALLOW");
	filter.syscalls = rules;
	filter.n_syscalls = 1;
	rule.names = (char **)(uintptr_t)denied;
	rule.n_names = ARRAY_LEN(denied);
	rule.action = lit("SCMP_ACT_ERRNO");
	rule.errno_ret_case = GRPC__LINUX_SYSCALL__ERRNO_RET_ERRNORET;
	rule.errnoret = 28; /* ENOSPC: nothing else gives it here */
	run.linux_part.seccomp = &filter;
}

static void filters_system_calls(void **state)
{
	(void)state;
	add_filter();
	assert_has(output_of("busybox mkdir /tmp/x; grep Seccomp: /proc/self/status"),
		   "No space left on device\nSeccomp:\t2\n");
}

/* Without no_new_privs the filter takes a privilege that the program itself has not got. */
static void filters_without_no_new_privs(void **state)
{
	(void)state;
	add_filter();
	run.process.nonewprivileges = 0;
	run.user.uid = 1000;
	assert_has(output_of("busybox mkdir /tmp/x; grep -E 'CapEff|Seccomp:' /proc/self/status"),
		   "No space left on device\nCapEff:\t0000000000000000\nSeccomp:\t2\n");
}

static void refuses_an_unknown_action(void **state)
{
	(void)state;
	add_filter();
	rule.action = lit("SCMP_ACT_EXPLODE");
	stage_run_shell(&run, "true");
	assert_refused("build seccomp filter", "'SCMP_ACT_EXPLODE' is no action");
}

static void runs_in_a_user_namespace(void **state)
{
	static Grpc__LinuxIDMapping map;
	static Grpc__LinuxIDMapping *maps[] = { &map };

	(void)state;
	grpc__linux_idmapping__init(&map);
	map.hostid = 100000;
	map.size = 65536;
	run.linux_part.uidmappings = run.linux_part.gidmappings = maps;
	run.linux_part.n_uidmappings = run.linux_part.n_gidmappings = 1;
	stage_run_namespace(&run, "user", -1);
	run.user.uid = 1000;
	run.user.gid = 1001;
	assert_string_equal(output_of("id -u; id -g; cat /proc/self/uid_map | busybox tr -s ' '; "
				      "echo x >/dev/null && busybox stat -c %t:%T /dev/null"),
			    "1000\n1001\n 0 100000 65536\n1:3\n");
}

/* Asked for in vain, the container runs all the same, and the agent's log says so. */
static void warns_of_missing_security_modules(void **state)
{
	(void)state;
	if (lsm_active("/sys", LSM_APPARMOR) || lsm_active("/sys", LSM_SELINUX))
		skip();
	run.process.apparmorprofile = lit("some-profile");
	run.process.selinuxlabel = lit("system_u:system_r:container_t:s0");
	run.linux_part.mountlabel = lit("system_u:object_r:container_file_t:s0");
	assert_string_equal(output_of("echo runs"), "runs\n");
	assert_non_null(run.warnings);
	assert_string_equal(run.warnings[0], "AppArmor profile 'some-profile' is not applied: the "
					     "guest's kernel has no AppArmor");
	assert_string_equal(run.warnings[1],
			    "SELinux label 'system_u:system_r:container_t:s0' is not applied: the "
			    "guest's kernel has no SELinux");
	assert_null(run.warnings[2]);
}

/* Where both are given the test above has one warning of SELinux. */
static void warns_of_a_mount_label(void **state)
{
	(void)state;
	if (lsm_active("/sys", LSM_SELINUX))
		skip();
	run.linux_part.mountlabel = lit("system_u:object_r:container_file_t:s0");
	assert_string_equal(output_of("echo runs"), "runs\n");
	assert_non_null(run.warnings);
	assert_string_equal(
		run.warnings[0],
		"mount label 'system_u:object_r:container_file_t:s0' is not applied: the "
		"guest's kernel has no SELinux");
	assert_null(run.warnings[1]);
}

/* Below the inherited value takes CAP_SYS_RESOURCE, which a test in a container may lack. */
static void warns_of_a_refused_oom_score(void **state)
{
	struct err e = ERR_INIT;
	auto_free char *mine = NULL;
	bool may;

	(void)state;
	assert_int_equal(file_read_line(AT_FDCWD, "/proc/self/oom_score_adj", &mine, &e), 0);
	if (strcmp(mine, "0") != 0)
		skip();
	may = file_writef(AT_FDCWD, "/proc/self/oom_score_adj", &e, "-900") == 0;
	if (may)
		assert_int_equal(file_writef(AT_FDCWD, "/proc/self/oom_score_adj", &e, "0"), 0);
	run.process.oomscoreadj = -900;
	assert_string_equal(output_of("cat /proc/self/oom_score_adj"), may ? "-900\n" : "0\n");
	if (may)
		assert_null(run.warnings);
	else
		assert_string_equal(run.warnings[0],
				    "oom_score_adj -900 is refused: the inherited one stays");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		STAGE_CASE(drops_every_capability),
		STAGE_CASE(keeps_the_capabilities_given),
		STAGE_CASE(leaves_out_unknown_capabilities),
		STAGE_CASE(sets_limits),
		STAGE_CASE(sets_sysctls),
		STAGE_CASE(refuses_a_sysctl_of_the_guest),
		STAGE_CASE(filters_system_calls),
		STAGE_CASE(filters_without_no_new_privs),
		STAGE_CASE(refuses_an_unknown_action),
		STAGE_CASE(runs_in_a_user_namespace),
		STAGE_CASE(warns_of_missing_security_modules),
		STAGE_CASE(warns_of_a_mount_label),
		STAGE_CASE(warns_of_a_refused_oom_score),
	};
	int code;

	if (stage_case_is_over(argc, argv, &code))
		return code;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
