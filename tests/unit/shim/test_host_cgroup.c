/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cgroups on the host that sandboxes share the parents of, in whatever hierarchies this machine has.
 * Needs root; skipped otherwise.
 */
#include "tests/lib/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "shim/sandbox/host_cgroup.h"

#define SANDBOXES 2

static struct {
	char dir[64];
	char *top; /* the cgroup that the others are in, below each hierarchy */
	struct directory d[SANDBOXES];
	struct undo undo[SANDBOXES];
} t;

static int set_up(void **state)
{
	(void)state;
	(void)snprintf(t.dir, sizeof(t.dir), "/tmp/husk-cgroup-XXXXXX");
	if (!mkdtemp(t.dir))
		return -1;
	t.top = xasprintf("/husk-cgroup-test-%d", (int)getpid());
	for (int i = 0; i < SANDBOXES; i++) {
		t.undo[i] = UNDO_INIT;
		t.d[i].path = xasprintf("%s/%d", t.dir, i);
		if (mkdir(t.d[i].path, 0700) < 0)
			return -1;
		t.d[i].fd = open(t.d[i].path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	return 0;
}

static int tear_down(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	free(t.top);
	for (int i = 0; i < SANDBOXES; i++) {
		(void)close(t.d[i].fd);
		free(t.d[i].path);
	}
	return path_remove_tree(AT_FDCWD, t.dir, &e);
}

/* In how many of the usual hierarchies is there such a cgroup? */
static unsigned count(const char *below)
{
	static const char *const places[] = { "", "/memory", "/cpuset", "/systemd", "/unified" };
	unsigned n = 0;

	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		auto_free char *path = xasprintf("/sys/fs/cgroup%s%s%s", places[i], t.top, below);

		n += access(path, F_OK) == 0;
	}
	return n;
}

static bool can_make_cgroups(void)
{
	static const char *const places[] = { "", "/memory", "/unified" };
	bool can = false;

	for (size_t i = 0; i < ARRAY_LEN(places) && geteuid() == 0 && !can; i++) {
		auto_free char *path = xasprintf("/sys/fs/cgroup%s%s", places[i], t.top);
		auto_free char *procs = path_join(path, "cgroup.procs");

		can = mkdir(path, 0755) == 0 && access(procs, F_OK) == 0;
		(void)rmdir(path);
	}
	return can;
}

static void create(int i)
{
	auto_free char *path = xasprintf("%s/pod/%d", t.top, i);
	auto_free char *list = NULL;
	struct err e = ERR_INIT;

	assert_ok(host_cgroup_create(path, &t.d[i], &t.undo[i], &list, &e), &e);
	assert_int_equal(access(list, R_OK), 0);
}

static void test_either_order(void **state)
{
	(void)state;
	if (!can_make_cgroups())
		skip();
	for (int first = 0; first < SANDBOXES; first++) {
		int last = 1 - first;
		auto_free char *left = xasprintf("/pod/%d", last);
		auto_free char *gone = xasprintf("/pod/%d", first);

		create(0);
		create(1);
		undo_run(&t.undo[first]);
		assert_int_equal(count(gone), 0);
		assert_true(count(left) > 0);
		undo_run(&t.undo[last]);
		assert_int_equal(count(""), 0);
	}
}

/* One that was there before, a kubelet's say, is never ours to remove. */
static void test_parents_of_others_stay(void **state)
{
	static const char *const places[] = { "/memory", "/unified", "" };
	auto_free char *foreign = NULL;

	(void)state;
	if (!can_make_cgroups())
		skip();
	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		foreign = xasprintf("/sys/fs/cgroup%s%s", places[i], t.top);
		if (mkdir(foreign, 0755) == 0)
			break;
		free(take_ptr(foreign));
	}
	create(0);
	undo_run(&t.undo[0]);
	assert_int_equal(count("/pod"), 0);
	assert_int_equal(count(""), 1);
	assert_int_equal(rmdir(foreign), 0);
}

/* Of systemd's slices: only v2 has one controller file for all, and only there systemd takes controllers away. */
static void test_in_a_slice(void **state)
{
	static const char *const hierarchies[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/memory",
						   "/sys/fs/cgroup/unified" };
	auto_free char *path = xasprintf("%s/a.slice/box.scope", t.top);
	auto_free char *list = NULL;
	struct err e = ERR_INIT;
	unsigned seen = 0;

	(void)state;
	if (!can_make_cgroups())
		skip();
	assert_ok(host_cgroup_create(path, &t.d[0], &t.undo[0], &list, &e), &e);
	for (size_t i = 0; i < ARRAY_LEN(hierarchies); i++) {
		auto_free char *own = path_join(hierarchies[i], path);
		auto_free char *below = path_join(own, "vmm");
		auto_free char *control = path_join(own, "cgroup.subtree_control");

		if (access(own, F_OK) < 0)
			continue;
		seen++;
		assert_int_equal(access(below, F_OK) == 0, access(control, F_OK) == 0);
	}
	assert_true(seen > 0);
	undo_run(&t.undo[0]);
	assert_int_equal(count(""), 0);
}

/* Files as the kernel shows them, in a directory that stands for a cgroup. */
static void test_oom_kills(void **state)
{
	static const struct {
		const char *name, *text;
		uint64_t kills;
	} cases[] = {
		{ "memory.events", "low 0\nhigh 0\nmax 9\noom 4\noom_kill 3\noom_group_kill 0\n",
		  3 },
		{ "memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n", 2 },
		{ "memory.events", "oom_kill many\n", 0 },
		{ "cgroup.procs", "oom_kill 7\n", 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct directory *d = &t.d[0];
		auto_free char *cgroup = path_join(d->path, "pod");
		auto_free char *list = xasprintf("%s\n%s/none\n", cgroup, d->path);
		auto_close int fd = -1;
		struct err e = ERR_INIT;

		assert_int_equal(mkdir(cgroup, 0700), 0);
		assert_ok(file_replace(d->fd, "cgroups", list, strlen(list), &e), &e);
		fd = open(cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_ok(file_replace(fd, cases[i].name, cases[i].text, strlen(cases[i].text), &e),
			  &e);
		assert_int_equal(host_cgroup_oom_kills(d), cases[i].kills);
		assert_ok(path_remove_tree(AT_FDCWD, cgroup, &e), &e);
		assert_int_equal(unlinkat(d->fd, "cgroups", 0), 0);
		assert_int_equal(host_cgroup_oom_kills(d), 0);
	}
}

/* ---- CPUs ---- */

static void put(const char *dir, const char *name, const char *content)
{
	auto_close int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct err e = ERR_INIT;

	assert_ok(file_replace(fd, name, content, strlen(content), &e), &e);
}

static void check_file(const char *dir, const char *name, const char *want)
{
	auto_free char *path = path_join(dir, name);
	auto_free char *text = NULL;
	struct err e = ERR_INIT;

	assert_ok(file_read(AT_FDCWD, path, 4096, &text, NULL, &e), &e);
	assert_string_equal(text, want);
}

/* Version 2, as directories: bound, and back to what the parent has; files come if all above agree. */
static void test_cpus_v2(void **state)
{
	struct directory *d = &t.d[0];
	auto_free char *slice = path_join(d->path, "slice");
	auto_free char *pod = path_join(slice, "pod");
	auto_free char *list = xasprintf("%s\n", pod);
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(mkdir(slice, 0700) + mkdir(pod, 0700), 0);
	put(d->path, "cgroups", list);
	put(d->path, "cgroup.controllers", "cpuset\n");
	put(d->path, "cgroup.subtree_control", "");
	put(slice, "cgroup.controllers", "");
	put(slice, "cgroup.subtree_control", "");
	assert_ok(host_cgroup_set_cpuset(d, "0-1", NULL, &e), &e); /* the kernel does not follow */
	check_file(d->path, "cgroup.subtree_control", "+cpuset");
	check_file(slice, "cgroup.subtree_control", "+cpuset");
	put(pod, "cpuset.cpus", "");
	put(pod, "cpuset.mems", "");
	assert_ok(host_cgroup_set_cpuset(d, "0-1,3", "0", &e), &e);
	check_file(pod, "cpuset.cpus", "0-1,3");
	check_file(pod, "cpuset.mems", "0");
	/* The kernel takes nothing at all only from a cgroup without processes. */
	put(slice, "cpuset.cpus.effective", "0-5,7\n");
	assert_ok(host_cgroup_set_cpuset(d, NULL, "0", &e), &e);
	check_file(pod, "cpuset.cpus", "0-5,7");
	put(pod, "cpuset.cpus", "");
	assert_ok(host_cgroup_set_cpuset(d, NULL, "0", &e), &e);
	check_file(pod, "cpuset.cpus", "");
	assert_ok(path_remove_tree(AT_FDCWD, slice, &e), &e);
}

/* Version 1: its parent's has to be copied. */
static void test_cpus_v1(void **state)
{
	auto_free char *mine = xasprintf("/sys/fs/cgroup/cpuset%s/pod/0", t.top);
	auto_free char *parent = xasprintf("/sys/fs/cgroup/cpuset%s/pod", t.top);
	auto_free char *all_path = path_join(parent, "cpuset.cpus");
	auto_free char *all = NULL;
	struct err e = ERR_INIT;

	(void)state;
	if (!can_make_cgroups() || access("/sys/fs/cgroup/cpuset/cpuset.cpus", F_OK) < 0)
		skip();
	create(0);
	assert_ok(file_read(AT_FDCWD, all_path, 4096, &all, NULL, &e), &e);
	assert_ok(host_cgroup_set_cpuset(&t.d[0], "0,0", "0", &e), &e);
	check_file(mine, "cpuset.cpus", "0\n");
	assert_int_equal(host_cgroup_set_cpuset(&t.d[0], "4000", NULL, &e), -1);
	assert_non_null(strstr(e.text, "write '4000' to 'cpuset.cpus'"));
	assert_ok(host_cgroup_set_cpuset(&t.d[0], NULL, NULL, &e), &e);
	check_file(mine, "cpuset.cpus", all);
	undo_run(&t.undo[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_either_order, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_in_a_slice, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_oom_kills, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_cpus_v2, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_cpus_v1, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_parents_of_others_stay, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
