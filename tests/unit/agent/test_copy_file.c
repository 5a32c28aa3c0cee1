/* SPDX-License-Identifier: Apache-2.0 */
/* CopyFile in a temporary root: what arrives, what is refused, what a hostile tree cannot do. */
#include "tests/lib/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "agent/guest/copy_file.h"
#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/path.h"

static char dir[64], root[80];

static int set_up(void **state)
{
	(void)state;
	(void)snprintf(dir, sizeof(dir), "/tmp/husk-copy-XXXXXX");
	assert_non_null(mkdtemp(dir));
	(void)snprintf(root, sizeof(root), "%s/share", dir);
	return 0;
}

static int tear_down(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	return path_remove_tree(AT_FDCWD, dir, &e);
}

struct piece {
	const char *path; /* below the root unless it starts with '!' */
	const char *data;
	uint32_t mode;
	int64_t size, offset; /* size -1: that of the data */
};

static int copy(const struct piece *p, struct err *e)
{
	Grpc__CopyFileRequest req = GRPC__COPY_FILE_REQUEST__INIT;
	auto_free char *path = p->path[0] == '!' ? xstrdup(p->path + 1) : path_join(root, p->path);

	req.path = path;
	req.data.data = (uint8_t *)(uintptr_t)p->data;
	req.data.len = strlen(p->data);
	req.file_mode = p->mode;
	req.dir_mode = 0750;
	req.file_size = p->size >= 0 ? p->size : (int64_t)req.data.len;
	req.offset = p->offset;
	req.uid = -1;
	req.gid = -1;
	return copy_file(root, &req, e);
}

static void put(const char *path, const char *data, uint32_t mode)
{
	struct err e = ERR_INIT;
	int r = copy(&(struct piece){ path, data, mode, -1, 0 }, &e);

	if (r < 0)
		print_error("%s\n", e.text);
	assert_int_equal(r, 0);
}

static char *content(const char *path)
{
	auto_free char *full = path_join(root, path);
	struct err e = ERR_INIT;
	char *text = NULL;

	assert_int_equal(file_read(AT_FDCWD, full, 4096, &text, NULL, &e), 0);
	return text;
}

static mode_t mode_of(const char *path)
{
	auto_free char *full = path_join(root, path);
	struct stat st;

	assert_int_equal(lstat(full, &st), 0);
	return st.st_mode;
}

static void copies_each_type(void **state)
{
	auto_free char *text = NULL;
	auto_free char *link_path = NULL;
	char target[64] = { 0 };

	(void)state;
	put("a/b/file", "text", S_IFREG | 04755);
	text = content("a/b/file");
	assert_string_equal(text, "text");
	assert_int_equal(mode_of("a/b/file"), S_IFREG | 04755);
	assert_int_equal(mode_of("a/b"), S_IFDIR | 0750);
	put("a/none", "", 0600); /* no type: a file */
	assert_int_equal(mode_of("a/none"), S_IFREG | 0600);
	put("a/link", "/etc/passwd", S_IFLNK | 0777);
	link_path = path_join(root, "a/link");
	assert_true(readlink(link_path, target, sizeof(target) - 1) > 0);
	assert_string_equal(target, "/etc/passwd");
	put("a/link", "", S_IFDIR | 01777); /* a directory takes the place of a link */
	assert_int_equal(mode_of("a/link"), S_IFDIR | 01777);
	put("a/link/kept", "x", S_IFREG | 0644);
	put("a/link", "", S_IFDIR | 0700); /* and keeps what is in it */
	assert_int_equal(mode_of("a/link/kept"), S_IFREG | 0644);
	put("a/link", "y", S_IFREG | 0644); /* a file takes the place of a directory */
	assert_int_equal(mode_of("a/link"), S_IFREG | 0644);
}

static void appears_when_whole(void **state)
{
	const struct piece first = { "f", "one", S_IFREG | 0644, 6, 0 };
	const struct piece last = { "f", "two", S_IFREG | 0644, 6, 3 };
	auto_free char *full = path_join(root, "f");
	auto_free char *text = NULL;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(copy(&first, &e), 0);
	assert_int_equal(access(full, F_OK), -1);
	assert_int_equal(copy(&last, &e), 0);
	text = content("f");
	assert_string_equal(text, "onetwo");
	assert_int_equal(copy(&last, &e), -1); /* of a file that has not begun */
	assert_int_equal(e.code, ERR_STATE);
}

static void refuses(void **state)
{
	static const struct piece bad[] = {
		{ "!/etc/outside", "x", S_IFREG | 0644, -1, 0 },
		{ "!relative", "x", S_IFREG | 0644, -1, 0 },
		{ "!", "x", S_IFREG | 0644, -1, 0 },
		{ "a/../../outside", "x", S_IFREG | 0644, -1, 0 },
		{ "a/./b", "x", S_IFREG | 0644, -1, 0 },
		{ "", "x", S_IFREG | 0644, -1, 0 },
		{ "block", "x", S_IFBLK | 0644, -1, 0 },
		{ "fifo", "x", S_IFIFO | 0644, -1, 0 },
		{ "link", "", S_IFLNK | 0777, -1, 0 },
		{ "long", "xx", S_IFREG | 0644, 1, 0 },
		{ "behind", "xx", S_IFREG | 0644, 3, 2 },
		{ "before", "x", S_IFREG | 0644, 3, -1 },
		{ "large", "x", S_IFREG | 0644, COPY_FILE_SIZE_MAX + 1, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err e = ERR_INIT;

		if (copy(&bad[i], &e) == 0)
			fail_msg("'%s' was taken", bad[i].path);
		assert_int_equal(e.code, ERR_INVALID);
		assert_true(e.text[0]);
	}
}

/* Links that lead out of the share lead to places in it, and the last component is not followed. */
static void stays_inside(void **state)
{
	static const char *const links[] = { "up", "abs", "file" };
	auto_free char *outside = path_join(dir, "outside");
	auto_free char *victim = path_join(dir, "outside/victim");
	const char *targets[] = { "../outside", outside, victim };
	auto_free char *text = NULL;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(mkdir(outside, 0755), 0);
	assert_int_equal(close(open(victim, O_CREAT | O_WRONLY | O_CLOEXEC, 0600)), 0);
	for (size_t i = 0; i < ARRAY_LEN(links); i++)
		put(links[i], targets[i], S_IFLNK | 0777);
	for (size_t i = 0; i < 2; i++) {
		auto_free char *path = path_join(links[i], "victim");

		(void)!copy(&(struct piece){ path, "evil", S_IFREG | 0666, -1, 0 }, &e);
	}
	put("file", "evil", S_IFREG | 0666);
	put(".name.husk-copy", victim, S_IFLNK | 0777); /* where the work file of "name" goes */
	put("name", "evil", S_IFREG | 0666);
	assert_int_equal(file_read(AT_FDCWD, victim, 64, &text, NULL, &e), 0);
	assert_string_equal(text, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(copies_each_type, set_up, tear_down),
		cmocka_unit_test_setup_teardown(appears_when_whole, set_up, tear_down),
		cmocka_unit_test_setup_teardown(refuses, set_up, tear_down),
		cmocka_unit_test_setup_teardown(stays_inside, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
