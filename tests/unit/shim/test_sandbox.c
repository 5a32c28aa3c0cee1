/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sandboxes with a scripted machine and agent, real directories, mounts and cgroups: start and stop,
 * each acquisition of a start failed in turn, death of the VM, an agent that never answers, what a
 * crash leaves. Needs root for the mounts; skipped otherwise.
 */
#include "tests/lib/test.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "shim/net/network.h"
#include "shim/sandbox/sandbox.h"
#include "tests/unit/shim/fake_hv.h"

#define TEXT(...) #__VA_ARGS__
#define VOLUME    "/etc/passwd" /* in the text below */

static const char config_text[] = TEXT({
	"ociVersion" : "1.0.2",
	"process" : { "args" : ["sh"], "cwd" : "/", "user" : { "uid" : 0, "gid" : 0 } },
	"root" : { "path" : "rootfs" },
	"mounts" : [ {
		"destination" : "/etc/hosts",
		"type" : "bind",
		"source" : "/etc/passwd",
		"options" : [ "rbind", "ro" ]
	} ],
	"linux" : {}
});

static struct {
	bool skip;
	pid_t pid; /* of the test, in the name of its cgroup */
	char dir[64];
	char *state_dir, *bundle;
	struct oci_spec *spec;
	struct config config;
	struct err e, why;
	int result, second;
	int64_t ms;
	bool ok; /* what the scenario checked by itself */
	bool looked, looked_on_loop;
} t;

/*
 * The n-th call of these fails, in whatever file it is made (linked with --wrap). They are what a
 * start acquires by; undo uses others.
 */
static unsigned calls, fail_at;

static bool fails(void)
{
	if (fail_at == 0 || ++calls != fail_at)
		return false;
	errno = ENOSPC;
	return true;
}

int __real_mkdir(const char *path, mode_t mode);
int __wrap_mkdir(const char *path, mode_t mode);
int __wrap_mkdir(const char *path, mode_t mode)
{
	return fails() ? -1 : __real_mkdir(path, mode);
}

int __real_mkdirat(int dir, const char *path, mode_t mode);
int __wrap_mkdirat(int dir, const char *path, mode_t mode);
int __wrap_mkdirat(int dir, const char *path, mode_t mode)
{
	return fails() ? -1 : __real_mkdirat(dir, path, mode);
}

int __real_open_tree(int dir, const char *path, unsigned int flags);
int __wrap_open_tree(int dir, const char *path, unsigned int flags);
int __wrap_open_tree(int dir, const char *path, unsigned int flags)
{
	return fails() ? -1 : __real_open_tree(dir, path, flags);
}

int __real_move_mount(int from, const char *a, int to, const char *b, unsigned int flags);
int __wrap_move_mount(int from, const char *a, int to, const char *b, unsigned int flags);
int __wrap_move_mount(int from, const char *a, int to, const char *b, unsigned int flags)
{
	return fails() ? -1 : __real_move_mount(from, a, to, b, flags);
}

int __real_mount(const char *from, const char *to, const char *type, unsigned long flags,
		 const void *data);
int __wrap_mount(const char *from, const char *to, const char *type, unsigned long flags,
		 const void *data);
int __wrap_mount(const char *from, const char *to, const char *type, unsigned long flags,
		 const void *data)
{
	return fails() ? -1 : __real_mount(from, to, type, flags, data);
}

int __real_setxattr(const char *path, const char *name, const void *value, size_t len, int flags);
int __wrap_setxattr(const char *path, const char *name, const void *value, size_t len, int flags);
int __wrap_setxattr(const char *path, const char *name, const void *value, size_t len, int flags)
{
	return fails() ? -1 : __real_setxattr(path, name, value, len, flags);
}

/* A step of this takes a while, whatever ends meanwhile. */
int __real_network_update(struct network *n, struct hv *hv, struct agent *a, struct deadline d,
			  struct err *e);
int __wrap_network_update(struct network *n, struct hv *hv, struct agent *a, struct deadline d,
			  struct err *e);
int __wrap_network_update(struct network *n, struct hv *hv, struct agent *a, struct deadline d,
			  struct err *e)
{
	if (fiber_sleep_ms(300, e) < 0)
		return -1;
	t.ok = fake_hv.running == 1;
	return __real_network_update(n, hv, a, d, e);
}

/* What a volume lies on may be far away, and not answer. */
int __real_host_mounts_open(const char *path, int flags, struct err *e);
int __wrap_host_mounts_open(const char *path, int flags, struct err *e);
int __wrap_host_mounts_open(const char *path, int flags, struct err *e)
{
	if (strcmp(path, VOLUME) == 0) {
		t.looked = true;
		t.looked_on_loop |= gettid() == getpid();
	}
	return __real_host_mounts_open(path, flags, e);
}

static int group_set_up(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	t.skip = geteuid() != 0 || unshare(CLONE_NEWNS) < 0 ||
		 mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0;
	if (t.skip)
		return 0;
	log_set_level(LOG_LEVEL_ERROR);
	(void)alarm(600);
	if (oci_spec_parse(config_text, sizeof(config_text) - 1, &t.spec, &e) < 0)
		return -1;
	t.pid = getpid();
	t.spec->linux.cgroups_path = xasprintf("/husk-unit-test-%d/sandbox", (int)t.pid);
	return 0;
}

static int group_tear_down(void **state)
{
	(void)state;
	oci_spec_free(t.spec);
	return 0;
}

static int set_up(void **state)
{
	struct err e = ERR_INIT;
	auto_free char *rootfs = NULL;

	(void)state;
	if (t.skip)
		return 0;
	memset(&fake_hv, 0, sizeof(fake_hv));
	fail_at = calls = 0;
	t.e = t.why = ERR_INIT;
	t.ok = t.looked = t.looked_on_loop = false;
	t.result = t.second = -2;
	(void)snprintf(t.dir, sizeof(t.dir), "/tmp/husk-sandbox-XXXXXX");
	if (!mkdtemp(t.dir) || mount("test", t.dir, "tmpfs", 0, NULL) < 0)
		return -1;
	t.state_dir = path_join(t.dir, "state");
	t.bundle = path_join(t.dir, "bundle");
	rootfs = path_join(t.bundle, "rootfs");
	if (path_mkdirs(rootfs, 0755, &e) < 0)
		return -1;
	t.config.runtime.state_dir = t.state_dir;
	t.config.runtime.dan_conf = (char *)(uintptr_t) "";
	t.config.runtime.internetworking_model = (char *)(uintptr_t) "tcfilter";
	t.config.runtime.kubelet_root_dir = t.bundle;
	t.config.runtime.sandbox_cgroup_only = true; /* so that a cgroup that fails is a failure */
	t.config.hypervisor.shared_fs = (char *)(uintptr_t) "virtio-fs";
	t.config.agent.dial_timeout_s = PATIENCE_MS / 1000;
	t.config.agent.request_timeout_s = PATIENCE_MS / 1000;
	t.config.agent.create_container_timeout_s = PATIENCE_MS / 1000;
	return 0;
}

static unsigned entries(const char *path)
{
	DIR *dir = opendir(path);
	unsigned n = 0;

	while (dir && readdir(dir))
		n++;
	if (dir)
		(void)closedir(dir);
	return n > 2 ? n - 2 : 0;
}

static bool is_mounted_below(const char *path)
{
	auto_free char *text = NULL;
	struct err e = ERR_INIT;

	assert_ok(file_read(AT_FDCWD, "/proc/self/mountinfo", 1 << 24, &text, NULL, &e), &e);
	return strstr(text, path);
}

static bool cgroups_are_left(void)
{
	static const char *const places[] = { "", "/memory", "/cpuset", "/unified" };

	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		auto_free char *path =
			xasprintf("/sys/fs/cgroup%s/husk-unit-test-%d", places[i], (int)t.pid);

		if (access(path, F_OK) == 0)
			return true;
	}
	return false;
}

static void check_nothing_left(void)
{
	if (entries(t.state_dir) > 0)
		fail_msg("files are left below the state directory");
	if (is_mounted_below(t.state_dir))
		fail_msg("mounts are left");
	if (cgroups_are_left())
		fail_msg("cgroups are left");
	if (fake_hv.running > 0)
		fail_msg("the machine was not ended");
}

static int tear_down(void **state)
{
	(void)state;
	if (t.skip)
		return 0;
	check_nothing_left();
	free(t.state_dir);
	free(t.bundle);
	return umount2(t.dir, MNT_DETACH) < 0 || rmdir(t.dir) < 0 ? -1 : 0;
}

static int start(struct sandbox **ret, struct err *e)
{
	const struct sandbox_params p = {
		.id = "s1", .ns = "default", .bundle = t.bundle, .config = &t.config, .spec = t.spec
	};

	return sandbox_start(&p, deadline_in_ms(PATIENCE_MS), ret, e);
}

static int create(struct sandbox *s, struct sandbox_container **ret, struct err *e)
{
	const struct container_params p = { .id = "c1", .bundle = t.bundle, .spec = t.spec };

	return sandbox_create_container(s, &p, deadline_in_ms(PATIENCE_MS), ret, e);
}

static void whole_life(void *arg)
{
	struct sandbox_container *c = NULL;
	struct sandbox *s = NULL;

	(void)arg;
	t.result = start(&s, &t.e);
	if (t.result < 0)
		return;
	t.result = create(s, &c, &t.e);
	t.ok = sandbox_alive(s) && sandbox_vmm_pid(s) == 4242;
	if (t.result == 0)
		sandbox_remove_container(c, deadline_in_ms(PATIENCE_MS));
	sandbox_stop(s);
	sandbox_stop(s);
	t.ok = t.ok && !sandbox_alive(s) &&
	       sandbox_wait_dead(s, deadline_in_ms(0), &t.why, &t.e) == 0;
	sandbox_free(s);
}

static void test_whole_life(void **state)
{
	(void)state;
	if (t.skip)
		skip();
	fiber_main(whole_life, NULL);
	if (t.result < 0)
		fail_msg("%s", t.e.text);
	assert_true(t.ok);
	assert_true(t.looked);
	assert_false(t.looked_on_loop);
	assert_true(fake_hv.had_share);
	assert_true(fake_hv.had_cgroup);
	assert_string_equal(fake_hv.rootfs, "/run/kata-containers/shared/containers/c1/rootfs");
	assert_string_equal(fake_hv.storages, "/run/kata-containers/shared/containers/ "
					      "/run/kata-containers/sandbox/shm");
	assert_non_null(strstr(fake_hv.methods, "CreateContainer RemoveContainer DestroySandbox"));
	assert_string_equal(t.why.text, "the sandbox was stopped");
}

static void test_each_acquisition_fails(void **state)
{
	(void)state;
	if (t.skip)
		skip();
	t.result = -1;
	for (fail_at = 1; t.result < 0; fail_at++) {
		calls = 0;
		t.e = ERR_INIT;
		fiber_main(whole_life, NULL);
		if (t.result < 0 && !strstr(t.e.text, "start sandbox s1: ") &&
		    !strstr(t.e.text, "create container c1: "))
			fail_msg("call %u: '%s'", fail_at, t.e.text);
		check_nothing_left();
		assert_in_range(fail_at, 1, 200);
	}
	assert_in_range(fail_at, 15, 200); /* it did count */
	fail_at = 0;
}

static void test_agent_refuses(void **state)
{
	static const char *const methods[] = { "CreateSandbox", "CreateContainer" };

	(void)state;
	if (t.skip)
		skip();
	for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
		fake_hv.refuse = methods[i];
		fake_hv.last_words = "guest console: oh no";
		fiber_main(whole_life, NULL);
		assert_int_equal(t.result, -1);
		assert_non_null(strstr(t.e.text, methods[i]));
		assert_non_null(strstr(t.e.text, "refused by the script"));
		check_nothing_left();
	}
}

static void start_only(void *arg)
{
	struct sandbox *s = NULL;
	int64_t began = clock_now_ms();

	(void)arg;
	t.result = start(&s, &t.e);
	t.ms = clock_now_ms() - began;
	sandbox_free(s);
}

static void test_agent_never_answers(void **state)
{
	(void)state;
	if (t.skip)
		skip();
	t.config.agent.dial_timeout_s = 1;
	fake_hv.silent = true;
	fake_hv.last_words = "guest console: Kernel panic";
	fiber_main(start_only, NULL);
	assert_int_equal(t.result, -1);
	assert_int_equal(t.e.code, ERR_TIMEOUT);
	assert_string_equal(t.e.text, "start sandbox s1: connect to agent: no answer in 1 s; guest "
				      "console: Kernel panic");
	assert_in_range(t.ms, 950, AT_ONCE_MS);
}

/* A connection that was accepted and carries nothing is given up for another. */
static void test_first_connection_is_dead(void **state)
{
	(void)state;
	if (t.skip)
		skip();
	t.config.agent.dial_timeout_s = PATIENCE_MS / 1000;
	fake_hv.lost_calls = 1;
	fiber_main(start_only, NULL);
	assert_ok(t.result, &t.e);
	assert_in_range(t.ms, 1900, AT_ONCE_MS);
}

static void die_soon(void *arg)
{
	struct err e = ERR_INIT;

	(void)arg;
	if (fiber_sleep_ms(50, &e) == 0)
		fake_hv_die("qemu was killed by signal 9");
}

static void dies_while_connecting(void *arg)
{
	fiber_start("killer", die_soon, NULL);
	start_only(arg);
}

static void test_vm_dies_while_connecting(void **state)
{
	(void)state;
	if (t.skip)
		skip();
	fake_hv.silent = true;
	fiber_main(dies_while_connecting, NULL);
	assert_int_equal(t.result, -1);
	assert_non_null(strstr(t.e.text, "the VM died: qemu was killed by signal 9"));
	assert_in_range(t.ms, 40, AT_ONCE_MS);
}

static void dies_at_work(void *arg)
{
	struct sandbox_container *c = NULL;
	struct sandbox *s = NULL;
	struct err e = ERR_INIT;
	int64_t began;

	(void)arg;
	t.result = start(&s, &t.e);
	if (t.result < 0)
		return;
	t.result = create(s, &c, &t.e);
	fiber_start("killer", die_soon, NULL);
	began = clock_now_ms();
	t.second = sandbox_wait_dead(s, deadline_in_ms(PATIENCE_MS), &t.why, &t.e);
	t.ms = clock_now_ms() - began;
	/* The agent is asked nothing any more, and nobody waits for it. */
	t.ok = !sandbox_alive(s) &&
	       agent_start_container(sandbox_agent(s), "c1", deadline_in_ms(PATIENCE_MS), &e) < 0 &&
	       e.code == ERR_UNAVAILABLE && strstr(e.text, "the VM is gone");
	sandbox_remove_container(c, deadline_in_ms(PATIENCE_MS));
	began = clock_now_ms();
	sandbox_free(s);
	t.ok = t.ok && clock_now_ms() - began < AT_ONCE_MS;
}

static void test_vm_dies_at_work(void **state)
{
	(void)state;
	if (t.skip)
		skip();
	fiber_main(dies_at_work, NULL);
	assert_int_equal(t.result, 0);
	assert_int_equal(t.second, 0);
	assert_string_equal(t.why.text, "qemu was killed by signal 9");
	assert_in_range(t.ms, 40, AT_ONCE_MS);
	assert_true(t.ok);
}

static void create_slowly(void *arg)
{
	struct sandbox_container *c = NULL;
	char *words[] = { message_text("sleep"), message_text("0.3"), NULL };
	struct oci_hook hook = { .path = message_text("/bin/sleep"), .args = words };

	t.spec->hooks.create_runtime = &hook;
	t.spec->hooks.n_create_runtime = 1;
	t.second = create(arg, &c, &t.e);
	t.spec->hooks.create_runtime = NULL;
	t.spec->hooks.n_create_runtime = 0;
	if (t.second == 0)
		sandbox_remove_container(c, deadline_in_ms(1000));
}

static void ends_meanwhile(void *arg)
{
	struct fiber_group group = FIBER_GROUP_INIT;
	struct sandbox *s = NULL;
	struct err e = ERR_INIT;

	(void)arg;
	t.result = start(&s, &t.e);
	if (t.result < 0)
		return;
	fiber_group_start(&group, "create", create_slowly, s);
	t.ok = fiber_sleep_ms(100, &e) == 0;
	sandbox_stop(s);
	fiber_group_wait(&group);
	sandbox_free(s);
}

/* The sandbox goes from under a container that is being made. What leaks then a sanitizer sees. */
static void test_ends_while_a_container_is_made(void **state)
{
	(void)state;
	if (t.skip)
		skip();
	fiber_main(ends_meanwhile, NULL);
	assert_int_equal(t.result, 0);
	assert_true(t.ok);
	assert_int_equal(t.second, -1);
	assert_string_equal(t.e.text,
			    "create container c1: the VM is gone: the sandbox was stopped");
}

static void update_network(void *arg)
{
	t.second = sandbox_update_network(arg, deadline_in_ms(20000), &t.e);
}

static void ends_beside_network_update(void *arg)
{
	struct fiber_group group = FIBER_GROUP_INIT;
	struct sandbox *s = NULL;

	(void)arg;
	t.result = start(&s, &t.e);
	if (t.result < 0)
		return;
	fiber_group_start(&group, "network", update_network, s);
	fiber_yield();
	sandbox_stop(s);
	fiber_group_wait(&group);
	sandbox_free(s);
}

/* Links that are plugged in meanwhile are the network's and the machine's. */
static void test_ends_beside_network_update(void **state)
{
	(void)state;
	if (t.skip)
		skip();
	fiber_main(ends_beside_network_update, NULL);
	assert_int_equal(t.result, 0);
	assert_true(t.ok);
}

static void start_twice(void *arg)
{
	struct sandbox *s = NULL, *other = NULL;

	(void)arg;
	t.result = start(&s, &t.e);
	if (t.result < 0)
		return;
	t.second = start(&other, &t.e);
	t.ok = sandbox_clean_up(t.state_dir, "default", "s1", &t.why) < 0 && sandbox_alive(s);
	sandbox_free(s);
}

/* containerd has containers of the same id in two namespaces: they have nothing in common. */
static void start_in_two_namespaces(void *arg)
{
	struct sandbox_params p = {
		.id = "s1", .ns = "other", .bundle = t.bundle, .config = &t.config, .spec = t.spec
	};
	struct sandbox *s = NULL, *other = NULL;

	(void)arg;
	t.result = start(&s, &t.e);
	if (t.result < 0)
		return;
	t.second = sandbox_start(&p, DEADLINE_NEVER, &other, &t.e);
	t.ok = entries(t.state_dir) == 2;
	sandbox_free(s);
	t.ok = t.ok && entries(t.state_dir) == 1 && (!other || sandbox_alive(other));
	sandbox_free(other);
}

static void test_two_namespaces(void **state)
{
	(void)state;
	if (t.skip)
		skip();
	fiber_main(start_in_two_namespaces, NULL);
	if (t.result < 0 || t.second < 0)
		fail_msg("%s", t.e.text);
	assert_true(t.ok);
}

static void test_one_at_a_time(void **state)
{
	(void)state;
	if (t.skip)
		skip();
	fiber_main(start_twice, NULL);
	assert_int_equal(t.result, 0);
	assert_int_equal(t.second, -1);
	assert_int_equal(t.e.code, ERR_EXISTS);
	assert_true(t.ok);
	assert_int_equal(t.why.code, ERR_STATE);
}

static void start_and_crash(void *arg)
{
	struct sandbox_container *c = NULL;
	struct sandbox *s = NULL;

	(void)arg;
	if (start(&s, &t.e) < 0 || create(s, &c, &t.e) < 0)
		_exit(1);
	_exit(0);
}

static void leave_a_crash(void)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		fiber_main(start_and_crash, NULL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(entries(t.state_dir), 1);
	assert_true(is_mounted_below(t.state_dir));
	assert_true(cgroups_are_left());
}

static void test_clean_up_after_a_crash(void **state)
{
	struct err e = ERR_INIT;
	int64_t began;

	(void)state;
	if (t.skip)
		skip();
	assert_ok(sandbox_clean_up(t.state_dir, "default", "s1", &e),
		  &e); /* nothing there at all */
	leave_a_crash();
	began = clock_now_ms();
	assert_ok(sandbox_clean_up(t.state_dir, "default", "s1", &e), &e);
	assert_in_range(clock_now_ms() - began, 0, AT_ONCE_MS);
	assert_int_equal(fake_hv.cleaned, 1);
	check_nothing_left();
	assert_ok(sandbox_clean_up(t.state_dir, "default", "s1", &e), &e);
	assert_err(sandbox_clean_up(t.state_dir, "default", "../s1", &e), &e, ERR_INVALID, "../s1");
}

/* Killed between the making of a cgroup and the mark that it is ours. */
static void test_crash_before_a_cgroup_is_marked(void **state)
{
	static const char *const places[] = { "", "/memory", "/cpuset", "/unified" };
	struct err e = ERR_INIT;

	(void)state;
	if (t.skip)
		skip();
	leave_a_crash();
	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		auto_free char *path =
			xasprintf("/sys/fs/cgroup%s%s", places[i], t.spec->linux.cgroups_path);

		(void)removexattr(path, "trusted.husk");
	}
	assert_ok(sandbox_clean_up(t.state_dir, "default", "s1", &e), &e);
}

/* What could not be ended must not be forgotten: the next try finds all that is left. */
static void test_failed_clean_up_is_repeated(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	if (t.skip)
		skip();
	leave_a_crash();
	fake_hv.refuse_clean = true;
	assert_err(sandbox_clean_up(t.state_dir, "default", "s1", &e), &e, ERR_TIMEOUT,
		   "qemu does not end");
	fiber_main(start_only, NULL);
	assert_int_equal(t.result, -1);
	assert_non_null(strstr(t.e.text, "qemu does not end"));
	assert_int_equal(entries(t.state_dir), 1);
	assert_true(cgroups_are_left());
	fake_hv.refuse_clean = false;
	assert_ok(sandbox_clean_up(t.state_dir, "default", "s1", &e), &e);
}

static void test_start_over_a_crash(void **state)
{
	(void)state;
	if (t.skip)
		skip();
	leave_a_crash();
	fiber_main(whole_life, NULL);
	if (t.result < 0)
		fail_msg("%s", t.e.text);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_whole_life),
		CASE(test_each_acquisition_fails),
		CASE(test_agent_refuses),
		CASE(test_agent_never_answers),
		CASE(test_first_connection_is_dead),
		CASE(test_vm_dies_while_connecting),
		CASE(test_vm_dies_at_work),
		CASE(test_ends_while_a_container_is_made),
		CASE(test_ends_beside_network_update),
		CASE(test_one_at_a_time),
		CASE(test_two_namespaces),
		CASE(test_clean_up_after_a_crash),
		CASE(test_crash_before_a_cgroup_is_marked),
		CASE(test_failed_clean_up_is_repeated),
		CASE(test_start_over_a_crash),
	};

	return cmocka_run_group_tests_name("sandbox", tests, group_set_up, group_tear_down);
}
