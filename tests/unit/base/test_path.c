/* SPDX-License-Identifier: Apache-2.0 */
/* Paths beneath a root that is made of traps. */
#include "tests/lib/test.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "common/base/mem.h"
#include "common/base/path.h"

static char outside[] = "/tmp/husk-test-path-XXXXXX";
static int root;

static void at(const char *target, const char *link)
{
	assert_int_equal(symlinkat(target, root, link), 0);
}

static int set_up(void **state)
{
	auto_free char *inside = NULL;

	(void)state;
	if (!mkdtemp(outside))
		return -1;
	inside = path_join(outside, "root");
	if (mkdir(inside, 0755) < 0)
		return -1;
	root = open(inside, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	at("/", "slash");
	at("../../../..", "up");
	at(outside, "absolute");
	at("/a/b", "inner");
	at("loop", "loop");
	at("nowhere", "dangling");
	return 0;
}

static int tear_down(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	(void)close(root);
	return path_remove_tree(AT_FDCWD, outside, &e);
}

static bool outside_is_untouched(void)
{
	static const char *const names[] = { "evil", "root/../evil" };
	struct stat st;

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		auto_free char *path = path_join(outside, names[i]);

		if (stat(path, &st) == 0)
			return false;
	}
	return stat("/evil", &st) < 0;
}

static void test_mkdirs_stay_inside(void **state)
{
	static const char *const paths[] = { "slash/evil", "up/evil", "../evil", "/../../evil",
					     "slash/up/../../evil" };
	struct err e = ERR_INIT;
	struct stat st;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		int fd = path_mkdirs_in_root(root, paths[i], 0755, &e);

		assert_ok(fd, &e);
		(void)close(fd);
		assert_int_equal(fstatat(root, "evil", &st, 0), 0);
		assert_int_equal(unlinkat(root, "evil", AT_REMOVEDIR), 0);
		assert_true(outside_is_untouched());
	}
}

static void test_symlink_to_directory_inside(void **state)
{
	struct err e = ERR_INIT;
	struct stat st;
	int fd = path_mkdirs_in_root(root, "/a/b", 0755, &e);

	(void)state;
	assert_ok(fd, &e);
	(void)close(fd);
	fd = path_mkfile_in_root(root, "inner/c/file", 0644, &e);
	assert_ok(fd, &e);
	(void)close(fd);
	assert_int_equal(fstatat(root, "a/b/c/file", &st, 0), 0);
	assert_true(S_ISREG(st.st_mode));
	/* what is there is kept */
	fd = path_mkfile_in_root(root, "a/b", 0644, &e);
	assert_ok(fd, &e);
	(void)close(fd);
}

/* What a link to nothing leads to is made, inside. */
static void test_dangling_links_stay_inside(void **state)
{
	static const struct {
		const char *path, *made;
	} cases[] = {
		{ "dangling", "nowhere" },
		{ "far", "no/such/file" },
		{ "further", "far-away/file" },
	};
	struct err e = ERR_INIT;
	struct stat st;

	(void)state;
	at("../../../../../no/such/file", "far");
	at("/chain", "further");
	at("far-away/file", "chain");
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int fd = path_mkfile_in_root(root, cases[i].path, 0644, &e);

		assert_ok(fd, &e);
		(void)close(fd);
		assert_int_equal(fstatat(root, cases[i].made, &st, AT_SYMLINK_NOFOLLOW), 0);
		assert_true(S_ISREG(st.st_mode));
	}
	at("new/dir", "missing");
	assert_ok(path_mkdirs_in_root(root, "missing/below", 0755, &e), &e);
	assert_int_equal(fstatat(root, "new/dir/below", &st, 0), 0);
	assert_true(outside_is_untouched());
}

static void test_traps_are_errors(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	assert_err(path_mkdirs_in_root(root, "loop/x", 0755, &e), &e, ERR_INVALID, "loop");
	assert_err(path_open_in_root(root, "absolute/root", O_RDONLY, 0, &e), &e, ERR_NOT_FOUND,
		   "absolute/root");
	assert_true(outside_is_untouched());
}

static void test_magic_links_are_refused(void **state)
{
	struct err e = ERR_INIT;
	int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	(void)state;
	assert_err(path_open_in_root(proc, "self/root/etc", O_RDONLY, 0, &e), &e, ERR_INVALID,
		   "self/root");
	(void)close(proc);
}

/* Where no link may be on the way, not even one that stays inside. */
static void test_without_links(void **state)
{
	static const struct {
		const char *path;
		bool there;
	} rows[] = {
		{ "", true },          { "/", true },          { "sub", true },
		{ "/sub/", true },     { "../sub", true },     { "up/sub", false },
		{ "slash", false },    { "slash/sub", false }, { "absolute", false },
		{ "dangling", false }, { "loop", false },
	};

	(void)state;
	assert_int_equal(mkdirat(root, "sub", 0755), 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err e = ERR_INIT;
		int fd = path_open_without_links(root, rows[i].path, O_NOFOLLOW, &e);

		if ((fd >= 0) != rows[i].there)
			fail_msg("%s: %s", rows[i].path, fd >= 0 ? "is there" : e.text);
		if (fd >= 0)
			(void)close(fd);
	}
}

static void test_mkdirs_without_links(void **state)
{
	static const char *const refused[] = { "up/fresh",       "slash/fresh",   "absolute/fresh",
					       "dangling/fresh", "absolute",      "dangling",
					       "loop/fresh",     "plain/../fresh" };
	struct err e = ERR_INIT;
	struct stat st;
	int fd = path_mkdirs_without_links(root, "/plain//b/c", 0700, &e);

	(void)state;
	assert_ok(fd, &e);
	(void)close(fd);
	assert_int_equal(fstatat(root, "plain/b/c", &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	fd = path_mkdirs_without_links(root, "plain/b", 0755, &e);
	assert_ok(fd, &e);
	(void)close(fd);
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		e = ERR_INIT;
		assert_int_equal(path_mkdirs_without_links(root, refused[i], 0755, &e), -1);
		assert_string_not_equal(e.text, "");
	}
	assert_int_equal(fstatat(root, "fresh", &st, AT_SYMLINK_NOFOLLOW), -1);
	assert_int_equal(fstatat(root, "../fresh", &st, AT_SYMLINK_NOFOLLOW), -1);
	assert_true(outside_is_untouched());
}

static void test_below(void **state)
{
	static const struct {
		const char *root, *path, *below;
	} rows[] = {
		{ "/run/a", "/run/a", "" },
		{ "/run/a", "/run/a/", "" },
		{ "/run/a", "//run/a//b/c", "b/c" },
		{ "/run/a/", "/run/a/b", "b" },
		{ "/run/a", "/run/ab", NULL },
		{ "/run/a", "/run", NULL },
		{ "/", "/run", "run" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *below = path_below(rows[i].root, rows[i].path);

		if (!rows[i].below)
			assert_null(below);
		else
			assert_string_equal(below, rows[i].below);
	}
}

static void test_remove_tree(void **state)
{
	struct err e = ERR_INIT;
	struct stat st;
	int fd = path_mkdirs_in_root(root, "tree/x/y/z", 0755, &e);

	(void)state;
	assert_ok(fd, &e);
	(void)close(fd);
	fd = path_mkfile_in_root(root, "tree/x/file", 0400, &e);
	assert_ok(fd, &e);
	(void)close(fd);
	assert_int_equal(symlinkat("/etc", root, "tree/x/y/etc"), 0);
	assert_ok(path_remove_tree(root, "tree", &e), &e);
	assert_int_equal(fstatat(root, "tree", &st, 0), -1);
	assert_int_equal(stat("/etc/passwd", &st), 0);
	assert_ok(path_remove_tree(root, "tree", &e), &e);
}

/* In a process of its own: the mount goes with its namespace. 77: this one may not mount. */
static int remove_around_bind_mount(void)
{
	auto_free char *from = path_join(outside, "kept");
	auto_free char *tree = path_join(outside, "root/tree");
	auto_free char *onto = path_join(tree, "bound");
	struct err e = ERR_INIT;

	if (unshare(geteuid() == 0 ? CLONE_NEWNS : CLONE_NEWUSER | CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount(from, onto, NULL, MS_BIND, NULL) < 0)
		return 77;
	/* By path: `root` is of the namespace before. */
	if (path_remove_tree(AT_FDCWD, tree, &e) == 0 || e.code != ERR_STATE)
		return 1;
	return strstr(e.text, "mounted") ? 0 : 1;
}

/* A bind mount of the same file system: its st_dev says nothing. */
static void test_remove_tree_spares_bind_mounts(void **state)
{
	auto_free char *kept = path_join(outside, "kept/file");
	struct err e = ERR_INIT;
	int fd = path_mkdirs_in_root(root, "tree/bound", 0755, &e);
	int status;
	pid_t pid;

	(void)state;
	assert_ok(fd, &e);
	(void)close(fd);
	assert_int_equal(mkdirat(root, "../kept", 0755), 0);
	fd = open(kept, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	(void)close(fd);
	pid = fork();
	if (pid == 0)
		_exit(remove_around_bind_mount());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_equal(access(kept, F_OK), 0);
	assert_ok(path_remove_tree(root, "tree", &e), &e);
}

static void test_words(void **state)
{
	static const struct {
		const char *path;
		bool clean;
	} cases[] = {
		{ "/", true },     { "/a/b", true }, { "a", false },       { "", false },
		{ "/a/", false },  { "//a", false }, { "/a/../b", false }, { "/..", false },
		{ "/a/.", false }, { "/...", true },
	};
	auto_free char *joined = path_join("/a//", "//b");
	struct err e = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(path_is_clean(cases[i].path), cases[i].clean);
	assert_string_equal(joined, "/a/b");
	assert_string_equal(path_base("/a/b"), "b");
	assert_string_equal(path_base("b"), "b");
	assert_string_equal(path_base("b/"), "");
	assert_err(path_mkdirs("/etc/passwd/x", 0755, &e), &e, ERR_INVALID, "passwd");
	assert_err(path_mkdirs("/etc/passwd", 0755, &e), &e, ERR_INVALID, "passwd");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mkdirs_stay_inside),
		cmocka_unit_test(test_symlink_to_directory_inside),
		cmocka_unit_test(test_dangling_links_stay_inside),
		cmocka_unit_test(test_traps_are_errors),
		cmocka_unit_test(test_magic_links_are_refused),
		cmocka_unit_test(test_without_links),
		cmocka_unit_test(test_mkdirs_without_links),
		cmocka_unit_test(test_below),
		cmocka_unit_test(test_remove_tree),
		cmocka_unit_test(test_remove_tree_spares_bind_mounts),
		cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests_name("path", tests, set_up, tear_down);
}
