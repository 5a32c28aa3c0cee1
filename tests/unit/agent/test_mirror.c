/* SPDX-License-Identifier: Apache-2.0 */
/* A copy that follows its source: files, links, directories, and what goes. */
#include "tests/lib/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/storage/mirror.h"
#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/path.h"

static char dir[64];
static int from, to;

static int open_dir(const char *name)
{
	auto_free char *path = path_join(dir, name);

	if (mkdir(path, 0755) < 0)
		return -1;
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int set_up(void **state)
{
	(void)state;
	(void)snprintf(dir, sizeof(dir), "/tmp/husk-mirror-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	from = open_dir("from");
	to = open_dir("to");
	return from >= 0 && to >= 0 ? 0 : -1;
}

static int tear_down(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	(void)close(from);
	(void)close(to);
	return path_remove_tree(AT_FDCWD, dir, &e);
}

static void put(const char *name, const char *text)
{
	auto_close int fd = openat(from, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);

	assert_true(fd >= 0);
	assert_int_equal(write_all(fd, text, strlen(text)), 0);
}

static void sync_it(void)
{
	struct err e = ERR_INIT;

	assert_ok(mirror_sync(from, to, &e), &e);
}

static void assert_file(const char *name, const char *want)
{
	auto_free char *got = NULL;
	struct err e = ERR_INIT;

	assert_ok(file_read(to, name, 1 << 16, &got, NULL, &e), &e);
	assert_string_equal(got, want);
}

static bool is_there(const char *name)
{
	return faccessat(to, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static ino_t inode(const char *name)
{
	struct stat st;

	assert_int_equal(fstatat(to, name, &st, AT_SYMLINK_NOFOLLOW), 0);
	return st.st_ino;
}

static void copies_a_tree(void **state)
{
	struct stat st;

	(void)state;
	put("a", "one");
	assert_int_equal(mkdirat(from, "d", 0750), 0);
	put("d/b", "two");
	assert_int_equal(symlinkat("/etc/passwd", from, "link"), 0);
	assert_int_equal(mkfifoat(from, "fifo", 0600), 0);
	sync_it();
	assert_file("a", "one");
	assert_file("d/b", "two");
	assert_int_equal(fstatat(to, "link", &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(fstatat(to, "a", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(fstatat(to, "d", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0750);
	assert_false(is_there("fifo"));
}

/* In place: a container may have bound the file. And not at all when nothing changed. */
static void changes_in_place(void **state)
{
	const struct timespec past[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };
	struct stat before, after;
	ino_t was;

	(void)state;
	put("a", "a longer text");
	sync_it();
	was = inode("a");
	assert_int_equal(fstatat(to, "a", &before, 0), 0);
	sync_it();
	assert_int_equal(fstatat(to, "a", &after, 0), 0);
	assert_int_equal(before.st_ctim.tv_sec, after.st_ctim.tv_sec);
	assert_int_equal(before.st_ctim.tv_nsec, after.st_ctim.tv_nsec);
	put("a", "short");
	assert_int_equal(utimensat(from, "a", past, 0), 0);
	sync_it();
	assert_file("a", "short");
	assert_int_equal(inode("a"), was);
	/* Same size, other time. */
	put("a", "SHORT");
	sync_it();
	assert_file("a", "SHORT");
}

/* As the kubelet does it: a new directory, the link renamed onto the old one, the old directory gone. */
static void follows_a_swapped_link(void **state)
{
	(void)state;
	assert_int_equal(mkdirat(from, "..1", 0755), 0);
	put("..1/key", "old");
	assert_int_equal(symlinkat("..1", from, "..data"), 0);
	assert_int_equal(symlinkat("..data/key", from, "key"), 0);
	sync_it();
	assert_file("key", "old");
	assert_int_equal(mkdirat(from, "..2", 0755), 0);
	put("..2/key", "new");
	assert_int_equal(symlinkat("..2", from, "..data_tmp"), 0);
	assert_int_equal(renameat(from, "..data_tmp", from, "..data"), 0);
	assert_int_equal(unlinkat(from, "..1/key", 0), 0);
	assert_int_equal(unlinkat(from, "..1", AT_REMOVEDIR), 0);
	sync_it();
	assert_file("key", "new");
	assert_false(is_there("..1"));
	assert_false(is_there("..data_tmp"));
	assert_false(is_there(".husk-link"));
}

static void types_may_change(void **state)
{
	(void)state;
	put("file", "x");
	assert_int_equal(mkdirat(from, "dir", 0755), 0);
	put("dir/f", "x");
	assert_int_equal(symlinkat("file", from, "link"), 0);
	sync_it();
	assert_int_equal(unlinkat(from, "file", 0), 0);
	assert_int_equal(mkdirat(from, "file", 0755), 0);
	assert_int_equal(unlinkat(from, "dir/f", 0), 0);
	assert_int_equal(unlinkat(from, "dir", AT_REMOVEDIR), 0);
	assert_int_equal(symlinkat("link", from, "dir"), 0);
	assert_int_equal(unlinkat(from, "link", 0), 0);
	put("link", "a file now");
	sync_it();
	assert_file("link", "a file now");
	assert_file("dir", "a file now");
	assert_int_equal(unlinkat(to, "file", AT_REMOVEDIR), 0);
}

static void measures_up_to_the_limit(void **state)
{
	const struct mirror_size limit = { .files = 3, .bytes = 10 };
	struct mirror_size got;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(mkdirat(from, "d", 0755), 0);
	put("a", "12345");
	put("d/b", "67890");
	assert_ok(mirror_measure(from, &limit, &got, &e), &e);
	assert_int_equal(got.files, 2);
	assert_int_equal(got.bytes, 10);
	put("c", "1");
	assert_ok(mirror_measure(from, &limit, &got, &e), &e);
	assert_true(got.bytes > limit.bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(copies_a_tree, set_up, tear_down),
		cmocka_unit_test_setup_teardown(changes_in_place, set_up, tear_down),
		cmocka_unit_test_setup_teardown(follows_a_swapped_link, set_up, tear_down),
		cmocka_unit_test_setup_teardown(types_may_change, set_up, tear_down),
		cmocka_unit_test_setup_teardown(measures_up_to_the_limit, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
