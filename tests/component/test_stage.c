/* SPDX-License-Identifier: Apache-2.0 */
/* What a container's process finds: ids, limits, mounts, confinement, errors. Needs root. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "tests/component/assert.h"
#include "tests/component/stage_harness.h"

static struct stage_run run;

static int set_up(void **state)
{
	(void)state;
	stage_run_init(&run);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	stage_run_done(&run);
	return 0;
}

/* Runs the script; fails with the stage's error if it does not get to run. */
static const char *output_of(const char *script)
{
	stage_run_shell(&run, script);
	stage_run_go(&run);
	if (run.error)
		print_error("%s\n", run.error);
	assert_null(run.error);
	assert_true(run.ready);
	return run.out;
}

static void assert_has(const char *text, const char *part)
{
	if (!strstr(text, part))
		print_error("'%s' is not in:\n%s\n", part, text);
	assert_non_null(strstr(text, part));
}

/* The stage refuses; `step` and a part of its text. */
static void assert_refused(const char *step, const char *part)
{
	stage_run_go(&run);
	assert_false(run.ready);
	assert_non_null(run.error);
	assert_string_equal(run.step, step);
	assert_has(run.error, part);
}

static void runs_a_program(void **state)
{
	(void)state;
	assert_string_equal(output_of("echo hello; exit 7"), "hello\n");
	assert_int_equal(run.code, 7);
}

static void tells_the_signal(void **state)
{
	(void)state;
	(void)output_of("echo $$; exec busybox sh -c 'exit 3'");
	assert_int_equal(run.code, 3);
	assert_string_equal(run.out, "1\n"); /* init of its pid namespace */
}

static void does_not_run_without_the_byte(void **state)
{
	(void)state;
	run.hold = true;
	stage_run_shell(&run, "echo ran");
	stage_run_go(&run);
	assert_true(run.ready);
	assert_string_equal(run.out, "");
	assert_int_equal(run.code, 1);
}

static void sets_ids_and_environment(void **state)
{
	static uint32_t groups[] = { 7, 8 };

	(void)state;
	run.user.uid = 1000;
	run.user.gid = 1001;
	run.user.additionalgids = groups;
	run.user.n_additionalgids = 2;
	assert_string_equal(output_of("id -u; id -g; id -G; echo $HOME; echo $TERM; umask; pwd"),
			    "1000\n1001\n1001 7 8\n/home/alice\nvt100\n0022\n/\n");
}

static void last_of_a_name_counts(void **state)
{
	static const char *const env[] = { "WORD=first", "PATH=/bin", "WORD=last" };

	(void)state;
	run.process.env = (char **)(uintptr_t)env;
	run.process.n_env = 3;
	assert_string_equal(output_of("grep -ao 'WORD=[a-z]*' /proc/self/environ"), "WORD=last\n");
}

static void finds_a_user_by_name(void **state)
{
	(void)state;
	run.user.username = lit("alice");
	assert_string_equal(output_of("id -u; id -g; id -G"), "1000\n1001\n1001 10\n");
}

static void refuses_an_unknown_user(void **state)
{
	(void)state;
	run.user.username = lit("mallory");
	stage_run_shell(&run, "true");
	assert_refused("find user", "no user 'mallory'");
}

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

static void refuses_an_unknown_capability(void **state)
{
	static const char *const names[] = { "CAP_FLY" };

	(void)state;
	run.caps.bounding = (char **)(uintptr_t)names;
	run.caps.n_bounding = 1;
	stage_run_shell(&run, "true");
	assert_refused("read capabilities", "'CAP_FLY' is no capability");
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

static void leaks_no_descriptor(void **state)
{
	(void)state;
	/* 3 is the directory that the shell reads, 255 and 10 may be its own. */
	assert_string_equal(output_of("cd /proc/self/fd; echo *"), "0 1 2 3\n");
}

static void names_the_host(void **state)
{
	char before[65], after[65];

	(void)state;
	assert_int_equal(gethostname(before, sizeof(before)), 0);
	run.spec.hostname = lit("box");
	assert_string_equal(output_of("hostname"), "box\n");
	assert_int_equal(gethostname(after, sizeof(after)), 0);
	assert_string_equal(before, after);
}

static void makes_devices_and_links(void **state)
{
	static Grpc__LinuxDevice extra, null_again;
	static Grpc__LinuxDevice *devices[] = { &extra, &null_again };

	(void)state;
	grpc__linux_device__init(&extra);
	extra.path = lit("/dev/below/loop");
	extra.type = lit("b");
	extra.major = 7;
	extra.minor = 3;
	extra.filemode = 0640;
	extra.uid = 5;
	extra.gid = 6;
	/* The same as a default device: this one wins. */
	null_again = extra;
	null_again.path = lit("/dev/null");
	null_again.type = lit("c");
	null_again.major = 1;
	null_again.filemode = 0600;
	run.linux_part.devices = devices;
	run.linux_part.n_devices = 2;
	assert_string_equal(
		output_of("busybox stat -c '%n %F %a %t:%T %u:%g' /dev/zero /dev/tty /dev/null "
			  "/dev/below/loop; for l in fd stdin stdout stderr ptmx; do busybox "
			  "readlink /dev/$l; done; busybox test -c /dev/pts/ptmx && echo pts"),
		"/dev/zero character special file 666 1:5 0:0\n"
		"/dev/tty character special file 666 5:0 0:0\n"
		"/dev/null character special file 600 1:3 5:6\n"
		"/dev/below/loop block special file 640 7:3 5:6\n"
		"/proc/self/fd\n/proc/self/fd/0\n/proc/self/fd/1\n/proc/self/fd/2\npts/ptmx\npts\n");
}

static void mounts_with_options(void **state)
{
	const char *source = stage_run_path(&run, "source");
	const char *file = stage_run_path(&run, "source/file");

	(void)state;
	assert_int_equal(mkdir(source, 0755), 0);
	assert_int_equal(close(open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0644)), 0);
	stage_run_mount(&run, "/made/ro", "bind", source, "rbind,ro,nosuid,nodev,noexec");
	stage_run_mount(&run, "/made/rw", "", source, "bind");
	stage_run_mount(&run, "/made/name", "bind", file, "bind,rro");
	stage_run_mount(&run, "/run", "tmpfs", "tmpfs", "size=64k,mode=711,noexec");
	stage_run_mount(&run, "/dev/mqueue", "mqueue", "mqueue", "nosuid,noexec,nodev");
	stage_run_mount(&run, "/dev/shm", "tmpfs", "shm", "size=8k,mode=1777");
	stage_run_mount(&run, "/sys/fs/cgroup", "cgroup", "cgroup", "nosuid,noexec,nodev,ro");
	stage_run_all_caps(&run);
	(void)output_of("echo x >/made/ro/new && echo written; echo x >/made/rw/new && echo ok;"
			"echo x >/made/name || echo refused;"
			"grep -E ' (/made/ro|/run|/dev/mqueue|/dev/shm|/sys/fs/cgroup|/sys) ' "
			"/proc/self/mounts");
	assert_null(strstr(run.out, "written"));
	assert_has(run.out, "ok\n");
	assert_has(run.out, "refused\n");
	assert_has(run.out, " /made/ro ");
	assert_has(run.out, "ro,nosuid,nodev,noexec");
	assert_has(run.out, "tmpfs /run tmpfs rw,noexec");
	assert_has(run.out, "size=64k,mode=711");
	assert_has(run.out, "mqueue /dev/mqueue mqueue rw,nosuid,nodev,noexec");
	assert_has(run.out, "shm /dev/shm tmpfs");
	assert_has(run.out, "sysfs /sys sysfs ro,nosuid,nodev,noexec");
	assert_has(run.out, " /sys/fs/cgroup cgroup2 ro,nosuid,nodev,noexec");
}

/* Images have such links for resolv.conf and /var/run. */
static void follows_links_to_nothing_inside(void **state)
{
	auto_free char *file = path_join(run.rootfs, "etc/resolv.conf");
	auto_free char *dir = path_join(run.rootfs, "var");

	(void)state;
	assert_int_equal(symlink("../run/resolve/stub.conf", file), 0);
	assert_int_equal(symlink("/later", dir), 0);
	stage_run_mount(&run, "/etc/resolv.conf", "bind", "/proc/self/status", "bind,ro");
	stage_run_mount(&run, "/var/secrets", "tmpfs", "tmpfs", "ro");
	assert_string_equal(output_of("busybox grep -c ^Pid: /run/resolve/stub.conf; grep -o "
				      "'/later/secrets tmpfs' /proc/self/mounts"),
			    "1\n/later/secrets tmpfs\n");
}

static void gives_a_terminal(void **state)
{
	(void)state;
	run.req.terminal = 1;
	run.user.uid = 1000;
	(void)output_of("echo via >/dev/tty; echo too >/dev/console; busybox stat -c %u "
			"/dev/console; busybox tty");
	assert_string_equal(run.out, "via\r\ntoo\r\n1000\r\n/dev/pts/0\r\n");
}

/* What an image (or a neighbour, for an exec) has put at the name must not be taken for a terminal. */
static void wants_a_real_terminal(void **state)
{
	auto_free char *fifo = path_join(run.rootfs, "fifo");

	(void)state;
	assert_int_equal(mkfifo(fifo, 0666), 0);
	run.req.terminal = 1;
	stage_run_mount(&run, "/dev/pts/ptmx", "bind", fifo, "bind");
	stage_run_shell(&run, "true");
	stage_run_go(&run);
	assert_false(run.ready);
	assert_string_equal(run.step, "open terminal");
	assert_has(run.error, "is no multiplexer");
}

static void copies_up(void **state)
{
	auto_free char *dir = path_join(run.rootfs, "data");
	auto_free char *file = path_join(run.rootfs, "data/file");
	auto_free char *link_path = path_join(run.rootfs, "data/link");

	(void)state;
	assert_int_equal(mkdir(dir, 0755), 0);
	assert_int_equal(close(open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0640)), 0);
	assert_int_equal(chown(file, 12, 34), 0);
	assert_int_equal(symlink("/proc/1/root", link_path), 0);
	stage_run_mount(&run, "/data", "tmpfs", "tmpfs", "tmpcopyup,ro");
	assert_string_equal(output_of("busybox stat -c '%a %u:%g' /data/file; busybox readlink "
				      "/data/link; echo >/data/x || echo ro"),
			    "640 12:34\n/proc/1/root\n"
			    "/bin/sh: can't create /data/x: Read-only file system\nro\n");
}

static void names_a_bad_mount(void **state)
{
	(void)state;
	stage_run_mount(&run, "/run", "tmpfs", "tmpfs", "size=plenty");
	stage_run_shell(&run, "true");
	assert_refused("mount", "/run: tmpfs");
	assert_has(run.error, "size");
}

static void names_a_missing_source(void **state)
{
	(void)state;
	stage_run_mount(&run, "/run", "bind", "/no/such/source", "bind");
	stage_run_shell(&run, "true");
	assert_refused("prepare mounts", "/run: open_tree '/no/such/source': No such file");
}

static void masks_and_protects(void **state)
{
	static const char *const masked[] = { "/proc/cpuinfo", "/etc", "/etc/passwd/not", "/none" };
	static const char *const readonly[] = { "/proc/sys", "/tmp", "/none" };

	(void)state;
	run.linux_part.maskedpaths = (char **)(uintptr_t)masked;
	run.linux_part.n_maskedpaths = ARRAY_LEN(masked);
	run.linux_part.readonlypaths = (char **)(uintptr_t)readonly;
	run.linux_part.n_readonlypaths = ARRAY_LEN(readonly);
	stage_run_all_caps(&run);
	assert_string_equal(output_of("busybox ls /etc; cat /proc/cpuinfo; echo x 2>/dev/null "
				      ">/etc/x || echo etc; (echo 1 >/proc/sys/vm/swappiness) "
				      "2>/dev/null || echo sys; (echo x >/tmp/x) 2>/dev/null || "
				      "echo tmp; busybox stat -c %t:%T /proc/cpuinfo"),
			    "etc\nsys\ntmp\n1:3\n");
}

static void makes_the_root_readonly(void **state)
{
	(void)state;
	run.root.readonly = 1;
	run.process.cwd = lit("/desk/dir"); /* made before */
	stage_run_all_caps(&run);
	assert_string_equal(output_of("pwd; (echo x >/new) 2>/dev/null || echo ro; echo >/dev/x && "
				      "echo dev"),
			    "/desk/dir\nro\ndev\n");
}

static void leaves_nothing_of_the_guest_mounted(void **state)
{
	(void)state;
	assert_string_equal(output_of("busybox wc -l </proc/self/mountinfo"), "5\n");
}

static void enters_without_pivot(void **state)
{
	(void)state;
	run.req.no_pivot = 1;
	stage_run_all_caps(&run);
	/* Nothing of the guest is mounted any more, and ".." leads nowhere. */
	assert_string_equal(output_of(
				    "busybox wc -l </proc/self/mountinfo; cd ../../..; busybox ls "
				    "-d bin; busybox mkdir x; busybox chroot x /bin/sh 2>/dev/null "
				    "|| echo none"),
			    "5\nbin\nnone\n");
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

/* The texts that users of containerd know. */
static void tells_why_a_program_cannot_run(void **state)
{
	static const struct {
		const char *program, *text;
	} cases[] = {
		{ "nope", "find program: exec: \"nope\": executable file not found in $PATH" },
		{ "/no/such", "find program: exec: \"/no/such\": no such file or directory" },
		{ "/etc/passwd", "find program: exec: \"/etc/passwd\": permission denied" },
		{ "/etc", "find program: exec: \"/etc\": is a directory" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		stage_run_done(&run);
		stage_run_init(&run);
		run.args[0] = lit(cases[i].program);
		run.process.n_args = 1;
		stage_run_go(&run);
		assert_false(run.ready);
		assert_string_equal(run.error, cases[i].text);
	}
}

static void tells_of_a_failing_exec(void **state)
{
	auto_free char *path = path_join(run.rootfs, "bin/broken");
	int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0755);

	(void)state;
	assert_true(fd >= 0 && write(fd, "\177ELF", 4) == 4 && close(fd) == 0);
	run.args[0] = lit("broken");
	run.process.n_args = 1;
	stage_run_go(&run);
	assert_true(run.ready); /* only the kernel can tell */
	assert_string_equal(run.step, "start program");
	assert_has(run.error, "exec: \"broken\": Exec format error");
}

static void runs_hooks(void **state)
{
	static const char *const create_args[] = { "sh", "-c",
						   "cat >\"$OUT\"; busybox test -d /proc/1" };
	static const char *const start_args[] = { "/bin/sh", "-c", "cat >/tmp/state" };
	static Grpc__Hooks hooks;
	static Grpc__Hook create, start;
	static Grpc__Hook *creates[] = { &create }, *starts[] = { &start };
	static Grpc__Spec__AnnotationsEntry note;
	static Grpc__Spec__AnnotationsEntry *notes[] = { &note };
	auto_free char *env = xasprintf("OUT=%s", stage_run_path(&run, "state"));
	char *envs[] = { env };

	(void)state;
	grpc__hooks__init(&hooks);
	grpc__hook__init(&create);
	grpc__hook__init(&start);
	grpc__spec__annotations_entry__init(&note);
	note.key = lit("a\"b");
	note.value = lit("c");
	run.spec.annotations = notes;
	run.spec.n_annotations = 1;
	create.path = lit("/bin/busybox"); /* the guest's */
	create.args = (char **)(uintptr_t)create_args;
	create.n_args = 3;
	create.env = envs;
	create.n_env = 1;
	start.path = lit("/bin/sh"); /* the container's */
	start.args = (char **)(uintptr_t)start_args;
	start.n_args = 3;
	hooks.createcontainer = creates;
	hooks.n_createcontainer = 1;
	hooks.startcontainer = starts;
	hooks.n_startcontainer = 1;
	run.spec.hooks = &hooks;
	assert_has(output_of("cat /tmp/state"), "\"id\":\"test\",\"status\":\"created\",\"pid\":");
	assert_has(run.out, "\"annotations\":{\"a\\\"b\":\"c\"}");
	assert_int_equal(access(stage_run_path(&run, "state"), F_OK), 0);
}

static void ends_a_hook_that_hangs(void **state)
{
	static const char *const args[] = { "sleep", "30" };
	static Grpc__Hooks hooks;
	static Grpc__Hook hook;
	static Grpc__Hook *list[] = { &hook };

	(void)state;
	grpc__hooks__init(&hooks);
	grpc__hook__init(&hook);
	hook.path = lit("/bin/busybox");
	hook.args = (char **)(uintptr_t)args;
	hook.n_args = 2;
	hook.timeout = 1;
	hooks.createcontainer = list;
	hooks.n_createcontainer = 1;
	run.spec.hooks = &hooks;
	stage_run_shell(&run, "true");
	assert_refused("run createContainer hooks", "not finished after 1 s");
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

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(runs_a_program),
		CASE(tells_the_signal),
		CASE(does_not_run_without_the_byte),
		CASE(sets_ids_and_environment),
		CASE(last_of_a_name_counts),
		CASE(finds_a_user_by_name),
		CASE(refuses_an_unknown_user),
		CASE(drops_every_capability),
		CASE(keeps_the_capabilities_given),
		CASE(refuses_an_unknown_capability),
		CASE(sets_limits),
		CASE(leaks_no_descriptor),
		CASE(names_the_host),
		CASE(makes_devices_and_links),
		CASE(mounts_with_options),
		CASE(follows_links_to_nothing_inside),
		CASE(gives_a_terminal),
		CASE(wants_a_real_terminal),
		CASE(copies_up),
		CASE(names_a_bad_mount),
		CASE(names_a_missing_source),
		CASE(masks_and_protects),
		CASE(makes_the_root_readonly),
		CASE(leaves_nothing_of_the_guest_mounted),
		CASE(enters_without_pivot),
		CASE(sets_sysctls),
		CASE(refuses_a_sysctl_of_the_guest),
		CASE(filters_system_calls),
		CASE(filters_without_no_new_privs),
		CASE(refuses_an_unknown_action),
		CASE(tells_why_a_program_cannot_run),
		CASE(tells_of_a_failing_exec),
		CASE(runs_hooks),
		CASE(ends_a_hook_that_hangs),
		CASE(runs_in_a_user_namespace),
	};
	int code;

	if (stage_run_is_stage(argc, argv, &code))
		return code;
	if (geteuid() != 0 || access("/bin/busybox", X_OK) < 0) {
		(void)puts("skipped: needs root and /bin/busybox");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
