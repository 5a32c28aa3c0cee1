/* SPDX-License-Identifier: Apache-2.0 */
/* Paths that a host names, in a run directory that containers and volumes have filled with links. */
#include "tests/lib/test.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/mount/host_path.h"
#include "common/base/mem.h"
#include "common/base/path.h"

/* The guest: "run" is the agent's directory, "etc" what nobody is to get at. */
static char guest[] = "/tmp/husk-test-host-path-XXXXXX";
static char *run_dir;

static char *in_guest(const char *path)
{
	return path_join(guest, path);
}

static void link_at(const char *target, const char *place)
{
	auto_free char *path = in_guest(place);

	assert_int_equal(symlink(target, path), 0);
}

static int set_up(void **state)
{
	static const char *const dirs[] = { "run/shared/c1/rootfs/data", "run/shared/c2",
					    "run/sandbox/storage/volume", "run/c1/rootfs",
					    "etc/own" };
	struct err e = ERR_INIT;

	(void)state;
	if (!mkdtemp(guest))
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(dirs); i++) {
		auto_free char *path = in_guest(dirs[i]);

		if (path_mkdirs(path, 0755, &e) < 0)
			return -1;
	}
	run_dir = in_guest("run");
	link_at("etc", "link-of-the-guest");
	link_at("/c2", "run/shared/c1/inside");
	link_at("../../../../../../..", "run/shared/c1/rootfs/up");
	link_at("../../../etc", "run/shared/c1/out");
	link_at("nowhere", "run/shared/c1/dangling");
	link_at("../../../../etc", "run/sandbox/storage/volume/out");
	link_at("data", "run/shared/c1/rootfs/near");
	return 0;
}

static int tear_down(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	free(run_dir);
	return path_remove_tree(AT_FDCWD, guest, &e);
}

/* The inode of a path of the guest, links followed. */
static ino_t inode(const char *place)
{
	auto_free char *path = in_guest(place);
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_ino;
}

static void test_open(void **state)
{
	static const struct {
		const char *path, *leads_to; /* NULL: refused */
	} rows[] = {
		{ "link-of-the-guest", "etc" },
		{ "run", "run" },
		{ "run/shared", "run/shared" },
		{ "run/shared/c1/rootfs", "run/shared/c1/rootfs" },
		{ "run/shared/c1/inside", "run/shared/c2" },
		{ "run/shared/c1/rootfs/up", "run/shared" },
		{ "run/shared/c1/rootfs/up/c2", "run/shared/c2" },
		{ "run/shared/c1/rootfs/near", "run/shared/c1/rootfs/data" },
		{ "run/shared/c1/out", NULL },
		{ "run/shared/c1/out/own", NULL },
		{ "run/shared/c1/dangling", NULL },
		{ "run/sandbox/storage/volume", "run/sandbox/storage/volume" },
		{ "run/sandbox/storage/volume/out", NULL },
		{ "run/sandbox/storage/volume/out/own", NULL },
		{ "run/c1/rootfs", "run/c1/rootfs" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_free char *path = in_guest(rows[i].path);
		struct err e = ERR_INIT;
		auto_close int fd = host_path_open(run_dir, path, 0, &e);
		struct stat st;

		if ((fd >= 0) != (rows[i].leads_to != NULL))
			fail_msg("%s: %s", path, fd >= 0 ? "is there" : e.text);
		if (fd < 0) {
			assert_non_null(strstr(e.text, path));
			continue;
		}
		assert_int_equal(fstat(fd, &st), 0);
		assert_int_equal(st.st_ino, inode(rows[i].leads_to));
	}
}

/* Without a run directory every link is the guest's own. */
static void test_trusted(void **state)
{
	auto_free char *path = in_guest("run/shared/c1/out/own");
	struct err e = ERR_INIT;
	auto_close int fd = host_path_open("", path, 0, &e);
	auto_close int onto = mount_point_open(GUEST_MOUNT_POINT(path), &e);

	(void)state;
	assert_ok(fd, &e);
	assert_ok(onto, &e);
}

static void test_mount_points(void **state)
{
	static const struct {
		const char *path;
		bool made;
	} rows[] = {
		{ "run/shared/c1/rootfs/local/a/b", true },
		{ "run/sandbox/ephemeral/a", true },
		{ "run/c3/rootfs", true },
		{ "somewhere/else/a", true },
		{ "link-of-the-guest/b", true },
		{ "run/shared/c1/rootfs/data", true },
		/* What is mounted must not end up elsewhere in the share either. */
		{ "run/shared/c1/inside", false },
		{ "run/shared/c1/inside/a", false },
		{ "run/shared/c1/rootfs/near/a", false },
		{ "run/shared/c1/rootfs/up/a", false },
		{ "run/shared/c1/out", false },
		{ "run/shared/c1/out/a", false },
		{ "run/shared/c1/dangling", false },
		{ "run/shared/c1/dangling/a", false },
		{ "run/sandbox/storage/volume/out/a", false },
	};

	(void)state;
	for (size_t directory = 0; directory < 2; directory++) {
		for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
			auto_free char *path = xasprintf("%s/%s%s", guest, rows[i].path,
							 directory || !rows[i].made ? "" : "-file");
			const struct mount_point at = { .run_dir = run_dir, .path = path };
			struct err e = ERR_INIT;
			auto_close int fd = mount_point_make(&at, directory, &e);
			auto_close int again = -1;
			struct stat st;

			if ((fd >= 0) != rows[i].made)
				fail_msg("%s: %s", path, fd >= 0 ? "was made" : e.text);
			if (fd < 0)
				continue;
			assert_int_equal(fstat(fd, &st), 0);
			assert_int_equal(S_ISDIR(st.st_mode), directory);
			again = mount_point_make(&at, directory, &e);
			assert_ok(again, &e);
		}
	}
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_free char *path = in_guest(rows[i].path);
		struct stat st;

		assert_int_equal(lstat(path, &st) == 0 && S_ISDIR(st.st_mode), rows[i].made);
	}
}

static void test_unmake(void **state)
{
	auto_free char *directory = in_guest("run/sandbox/mine");
	auto_free char *file = in_guest("run/sandbox/mine/file");
	auto_free char *through = in_guest("run/shared/c1/out/own");
	auto_free char *absent = in_guest("run/none/at/all");
	const struct mount_point at = { run_dir, directory }, at_file = { run_dir, file },
				 elsewhere = { run_dir, through }, nowhere = { run_dir, absent };
	struct err e = ERR_INIT;
	int fd = mount_point_make(&at_file, false, &e);

	(void)state;
	assert_ok(fd, &e);
	(void)close(fd);
	assert_int_equal(mount_point_unmake(&at, true, &e), -1);
	e = ERR_INIT;
	assert_int_equal(mount_point_unmake(&at_file, false, &e), -1);
	assert_int_equal(access(file, F_OK), 0);
	e = ERR_INIT;
	assert_ok(mount_point_unmake(&at_file, true, &e), &e);
	assert_ok(mount_point_unmake(&at, false, &e), &e);
	assert_ok(mount_point_unmake(&at, false, &e), &e);
	assert_ok(mount_point_unmake(&nowhere, false, &e), &e);
	assert_int_equal(access(directory, F_OK), -1);
	assert_int_equal(mount_point_unmake(&elsewhere, true, &e), -1);
	assert_int_equal(inode("etc/own") != 0, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_open),
		cmocka_unit_test(test_trusted),
		cmocka_unit_test(test_mount_points),
		cmocka_unit_test(test_unmake),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
