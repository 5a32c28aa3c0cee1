/* SPDX-License-Identifier: Apache-2.0 */
/* The root file system as a container's process finds it. Needs root. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/base/path.h"
#include "tests/component/stage_case.h"

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
	assert_refused("prepare mounts", "/run: open '/no/such/source': No such file");
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

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		STAGE_CASE(makes_devices_and_links),
		STAGE_CASE(mounts_with_options),
		STAGE_CASE(follows_links_to_nothing_inside),
		STAGE_CASE(copies_up),
		STAGE_CASE(names_a_bad_mount),
		STAGE_CASE(names_a_missing_source),
		STAGE_CASE(masks_and_protects),
		STAGE_CASE(makes_the_root_readonly),
		STAGE_CASE(leaves_nothing_of_the_guest_mounted),
		STAGE_CASE(enters_without_pivot),
	};
	int code;

	if (stage_case_is_over(argc, argv, &code))
		return code;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
