/* SPDX-License-Identifier: Apache-2.0 */
/* Where things may be mounted, what is mounted, and which devices there may be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/container/devices.h"
#include "agent/container/mountinfo.h"
#include "agent/container/mounts.h"
#include "agent/container/pod_volume.h"
#include "common/base/mem.h"
#include "common/base/mountinfo.h"
#include "common/base/path.h"

static void compares_paths(void **state)
{
	static const struct {
		const char *a, *b;
		int same;
	} cases[] = {
		{ "/dev", "/dev", 1 },  { "/dev/", "//dev", 1 }, { "/", "", 1 },
		{ "/dev", "/dev2", 0 }, { "/dev2", "/dev", 0 },  { "/dev/a", "/dev", 0 },
		{ "/a/b", "/a//b", 1 }, { "/a/b", "/ab", 0 },    { "/", "/a", 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(mounts_same_path(cases[i].a, cases[i].b), cases[i].same);
}

static void restricts_binds_on_proc(void **state)
{
	static const struct {
		const char *path;
		int allowed, procfs;
	} cases[] = {
		{ "/data", 1, 0 },         { "/proc", 1, 1 },           { "//proc/", 1, 1 },
		{ "/proc/cpuinfo", 1, 0 }, { "/proc/net/dev", 1, 0 },   { "/proc//uptime", 1, 0 },
		{ "/proc/sys", 0, 0 },     { "/proc/net", 0, 0 },       { "/proc/cpuinfo/x", 0, 0 },
		{ "/process", 1, 0 },      { "/proc/self/fd/1", 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		bool procfs;

		assert_int_equal(mounts_bind_allowed(cases[i].path, &procfs), cases[i].allowed);
		assert_int_equal(procfs, cases[i].procfs);
	}
}

static void finds_what_is_below_the_root(void **state)
{
	static const char text[] = "1 0 0:1 / / rw - rootfs rootfs rw\n"
				   "20 1 0:2 / /proc rw - proc proc rw\n"
				   "21 20 0:3 / /proc/fs rw - autofs x rw\n"
				   "22 1 0:4 / /with\\040space rw shared:1 - tmpfs x rw\n"
				   "23 9 0:4 / /elsewhere rw - tmpfs x rw\n";
	char **found = NULL;

	(void)state;
	found = mountinfo_below_root(text);
	assert_int_equal(strv_len((const char *const *)found), 2);
	assert_string_equal(found[0], "/proc");
	assert_string_equal(found[1], "/with space");
	strv_free(found);
}

static void takes_the_root_on_top(void **state)
{
	static const char text[] = "1 0 0:1 / / rw - rootfs rootfs rw\n"
				   "20 1 0:2 / /proc rw - proc proc rw\n"
				   "30 1 0:9 / / rw - ext4 x rw\n"
				   "31 30 0:2 / /sys rw - sysfs x rw\n";
	char **found = NULL;

	(void)state;
	found = mountinfo_below_root(text);
	assert_int_equal(strv_len((const char *const *)found), 1);
	assert_string_equal(found[0], "/sys");
	strv_free(found);
	assert_null(mountinfo_below_root("1 x\n"));
}

static void unescapes(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "/a\\040b\\011c\\012\\134", "/a b\tc\n\\" },
		{ "/a\\04", "/a\\04" },
		{ "\\", "\\" },
		{ "/\\400", "/\\400" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		auto_free char *text =
			xasprintf("7 1 0:1 / %s rw shared:1 - ext4 /dev/a rw,x", cases[i].in);
		struct mountinfo_line line;
		char *rest = text;

		assert_true(mountinfo_next(&rest, &line));
		assert_string_equal(line.point, cases[i].out);
		assert_string_equal(line.type, "ext4");
		assert_string_equal(line.super, "rw,x");
	}
}

/* No file system behind the point: what there is of it is empty. */
static void reads_short_lines(void **state)
{
	static const char *const ends[] = { "", " rw", " rw shared:1 -", " rw - ",
					    " rw - ext4 /dev/a" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		auto_free char *text = xasprintf("7 1 0:1 / /a%s\n8 7 0:2 / /b", ends[i]);
		struct mountinfo_line line;
		char *rest = text;

		assert_true(mountinfo_next(&rest, &line));
		assert_string_equal(line.point, "/a");
		assert_string_equal(line.type, i == 4 ? "ext4" : "");
		assert_string_equal(line.super, "");
		assert_true(mountinfo_next(&rest, &line) && line.parent == 7);
		assert_false(mountinfo_next(&rest, &line));
	}
}

static void tells_parts_of_volumes(void **state)
{
	static const struct {
		const char *path;
		size_t volume; /* 0: it is none */
	} cases[] = {
		{ "/run/s/ephemeral/v/part", 18 }, { "/run/s/local/v//a/b", 14 },
		{ "/run/s/ephemeral/v", 0 },       { "/run/s/ephemeral/v/", 0 },
		{ "/run/s/ephemeral//part", 0 },   { "/run/s/shm/v/part", 0 },
		{ "/run/s2/local/v/part", 0 },     { "/elsewhere/local/v/part", 0 },
	};
	size_t len;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		bool is_part = pod_volume_is_part("/run/s", cases[i].path, &len);

		assert_int_equal(is_part, cases[i].volume > 0);
		if (is_part)
			assert_int_equal(len, cases[i].volume);
	}
	assert_false(pod_volume_is_part("", "/ephemeral/v/part", &len));
}

static ino_t part_of(const char *volume, const char *part)
{
	auto_free char *path = path_join(volume, part);
	struct err e = ERR_INIT;
	struct stat st;
	int fd = pod_volume_open_part(path, strlen(volume), &e);

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	(void)close(fd);
	return st.st_ino;
}

static void keeps_parts_in_their_volume(void **state)
{
	char volume[] = "/tmp/husk-volume-XXXXXX";
	auto_free char *made = NULL, *parent = NULL, *file = NULL;
	struct stat st;
	struct err e = ERR_INIT;
	int fd;

	(void)state;
	assert_non_null(mkdtemp(volume));
	assert_int_equal(chmod(volume, 01770), 0);
	assert_true(part_of(volume, "a/b") != 0);
	parent = path_join(volume, "a");
	assert_int_equal(stat(parent, &st), 0);
	assert_int_equal(st.st_mode & 07777, 01770);
	/* What was there before is as it was. */
	assert_int_equal(chmod(parent, 0700), 0);
	assert_true(part_of(volume, "a/c") != 0);
	assert_int_equal(stat(parent, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	made = path_join(volume, "a/b");
	assert_int_equal(stat(made, &st), 0);
	assert_int_equal(st.st_mode & 07777, 01770);
	assert_int_equal(part_of(volume, "a/b"), st.st_ino);
	/* What a container put there: out of the volume is back to its root. */
	file = path_join(volume, "out");
	assert_int_equal(symlink("/", file), 0);
	assert_int_equal(stat(volume, &st), 0);
	assert_int_equal(part_of(volume, "out"), st.st_ino);
	assert_int_equal(part_of(volume, "a/../../.."), st.st_ino);
	assert_true(part_of(volume, "out/tmp") != 0);
	fd = open(volume, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(faccessat(fd, "tmp", F_OK, 0), 0);
	(void)close(fd);
	assert_int_equal(path_remove_tree(AT_FDCWD, volume, &e), 0);
}

static void knows_types_of_devices(void **state)
{
	static const struct {
		const char *name;
		mode_t want; /* 0: refused */
	} cases[] = {
		{ "b", S_IFBLK }, { "c", S_IFCHR }, { "u", S_IFCHR }, { "p", S_IFIFO },
		{ "a", 0 },       { "", 0 },        { "bc", 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = ERR_INIT;
		mode_t type = 0;

		assert_int_equal(device_type(cases[i].name, &type, &e), cases[i].want ? 0 : -1);
		assert_int_equal(type, cases[i].want);
	}
}

static void keeps_devices_below_dev(void **state)
{
	static const struct {
		const char *path;
		int want;
	} cases[] = {
		{ "/dev/null", 0 },      { "/dev/net/tun", 0 }, { "/dev", -1 }, { "/dev/", -1 },
		{ "/dev/../etc/x", -1 }, { "/etc/null", -1 },   { "null", -1 }, { "/device", -1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = ERR_INIT;

		assert_int_equal(device_check_path(cases[i].path, &e), cases[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(compares_paths),
		cmocka_unit_test(restricts_binds_on_proc),
		cmocka_unit_test(finds_what_is_below_the_root),
		cmocka_unit_test(takes_the_root_on_top),
		cmocka_unit_test(unescapes),
		cmocka_unit_test(reads_short_lines),
		cmocka_unit_test(tells_parts_of_volumes),
		cmocka_unit_test(keeps_parts_in_their_volume),
		cmocka_unit_test(knows_types_of_devices),
		cmocka_unit_test(keeps_devices_below_dev),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
