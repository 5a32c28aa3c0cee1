/* SPDX-License-Identifier: Apache-2.0 */
/* A process that joins a running container. Needs root. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/mem.h"
#include "tests/component/assert.h"
#include "tests/component/stage_harness.h"

static struct stage_run container, joined;
static int container_pid;

static const struct {
	const char *type, *file;
} spaces[] = {
	{ "ipc", "ipc" },       { "uts", "uts" },   { "mount", "mnt" },
	{ "cgroup", "cgroup" }, { "user", "user" },
};

static void start_container(void)
{
	container.spec.hostname = lit("box");
	stage_run_shell(&container, "cat </tmp/end >/dev/null");
	assert_int_equal(mkfifo(stage_run_path(&container, "rootfs/tmp/end"), 0600), 0);
	(void)alarm(600);
	container_pid = stage_run_begin(&container);
	if (container.error)
		print_error("%s\n", container.error);
	assert_true(container.ready);
}

static void join_it(bool with_user)
{
	joined.join_pid = container_pid;
	for (size_t i = 0; i < ARRAY_LEN(spaces); i++) {
		auto_free char *path = xasprintf("/proc/%d/ns/%s", container_pid, spaces[i].file);

		if (strcmp(spaces[i].type, "user") == 0 && !with_user)
			continue;
		stage_run_namespace(&joined, spaces[i].type, open(path, O_RDONLY | O_CLOEXEC));
	}
}

static int set_up(void **state)
{
	(void)state;
	stage_run_init(&container);
	stage_run_init(&joined);
	for (size_t i = 0; i < joined.req.n_namespaces; i++)
		free(joined.ns[i].type);
	joined.req.n_namespaces = 0;
	joined.req.exec = 1;
	return 0;
}

static int tear_down(void **state)
{
	int end = open(stage_run_path(&container, "rootfs/tmp/end"), O_WRONLY | O_CLOEXEC);

	(void)state;
	(void)close(end);
	/* The harness keeps one run's pipes; the container's output is not looked at. */
	assert_true(container_pid > 0);
	stage_run_reap(container_pid);
	(void)alarm(0);
	for (size_t i = 0; i < joined.n_ns_fds; i++)
		(void)close(joined.ns_fds[i]);
	stage_run_done(&container);
	stage_run_done(&joined);
	return 0;
}

static void joins_every_namespace(void **state)
{
	(void)state;
	start_container();
	join_it(false);
	stage_run_shell(&joined, "hostname; busybox test -p /tmp/end && echo root; id -u; "
				 "for n in ipc uts mnt cgroup; do busybox readlink "
				 "/proc/self/ns/$n; done");
	stage_run_go(&joined);
	if (joined.error)
		print_error("%s\n", joined.error);
	assert_null(joined.error);
	assert_int_equal(strncmp(joined.out, "box\nroot\n0\n", 11), 0);
}

static void gets_a_terminal_of_the_container(void **state)
{
	(void)state;
	start_container();
	join_it(false);
	joined.req.terminal = 1;
	joined.user.uid = 1000;
	stage_run_shell(&joined, "busybox tty; busybox stat -c %u /dev/pts/0; echo >/dev/tty via");
	stage_run_go(&joined);
	assert_null(joined.error);
	assert_string_equal(joined.out, "/dev/pts/0\r\n1000\r\nvia\r\n");
}

static void refuses_a_missing_directory(void **state)
{
	(void)state;
	start_container();
	join_it(false);
	joined.process.cwd = lit("/none");
	stage_run_shell(&joined, "true");
	stage_run_go(&joined);
	assert_false(joined.ready);
	assert_string_equal(joined.step, "change directory");
	assert_non_null(strstr(joined.error, "'/none'"));
}

static void joins_a_user_namespace(void **state)
{
	static Grpc__LinuxIDMapping map;
	static Grpc__LinuxIDMapping *maps[] = { &map };

	(void)state;
	grpc__linux_idmapping__init(&map);
	map.hostid = 100000;
	map.size = 65536;
	container.linux_part.uidmappings = container.linux_part.gidmappings = maps;
	container.linux_part.n_uidmappings = container.linux_part.n_gidmappings = 1;
	stage_run_namespace(&container, "user", -1);
	assert_int_equal(chmod(stage_run_path(&container, "rootfs/tmp"), 0777), 0);
	container.spec.hostname = lit("box");
	stage_run_shell(&container, "cat </tmp/end >/dev/null");
	assert_int_equal(mkfifo(stage_run_path(&container, "rootfs/tmp/end"), 0644), 0);
	assert_int_equal(chmod(stage_run_path(&container, "rootfs/tmp/end"), 0644), 0);
	(void)alarm(600);
	container_pid = stage_run_begin(&container);
	if (container.error)
		print_error("%s\n", container.error);
	assert_true(container.ready);
	join_it(true);
	joined.user.uid = 1000;
	stage_run_shell(&joined, "id -u; hostname; cat /proc/self/uid_map | busybox tr -s ' '");
	stage_run_go(&joined);
	if (joined.error)
		print_error("%s\n", joined.error);
	assert_null(joined.error);
	assert_string_equal(joined.out, "1000\nbox\n 0 100000 65536\n");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(joins_every_namespace, set_up, tear_down),
		cmocka_unit_test_setup_teardown(gets_a_terminal_of_the_container, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(refuses_a_missing_directory, set_up, tear_down),
		cmocka_unit_test_setup_teardown(joins_a_user_namespace, set_up, tear_down),
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
