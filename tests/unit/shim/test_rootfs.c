/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Root file systems and the share, mounted for real, as root in a mount namespace of its own, and what
 * another namespace sees of them. Skipped where that is not allowed.
 */
#include "tests/lib/test.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "shim/storage/rootfs.h"
#include "tests/unit/shim/storage_case.h"

#define LAYERS 120 /* an image has at most 127; their names fill far more than a page */

static int add_rootfs(const struct rootfs_mount *mounts, size_t n, const char *root, char **host,
		      struct err *e)
{
	auto_free char *guest = NULL;

	if (share_add_rootfs(&t.share, "c1", &t.undo, host, &guest, e) < 0)
		return -1;
	assert_string_equal(guest, SHARE_GUEST_DIR "c1/rootfs");
	return rootfs_mount(mounts, n, root, *host, &t.undo, e);
}

static void test_exporter_sees_later_mounts(void **state)
{
	auto_free char *layer = NULL, *upper = NULL, *work = NULL, *host = NULL;
	struct err e = ERR_INIT;
	pid_t pid;

	(void)state;
	SKIP_UNLESS_ROOT();
	make_dir("layer");
	make_dir("upper");
	make_dir("work");
	make_file("layer/hello", "from the image");
	layer = xasprintf("lowerdir=%s/layer", t.dir);
	upper = xasprintf("upperdir=%s/upper", t.dir);
	work = xasprintf("workdir=%s/work", t.dir);

	pid = start_exporter("/c1/rootfs/hello", "from the image", true);
	wait_until_stopped(pid);
	{
		char *options[] = { work, upper, layer, NULL };
		struct rootfs_mount m = {
			.type = "overlay", .source = "overlay", .target = "", .options = options
		};

		assert_ok(add_rootfs(&m, 1, "/nonexistent", &host, &e), &e);
	}
	assert_int_equal(result_of(pid), 0);
}

static void test_export_is_read_only(void **state)
{
	auto_free char *name = NULL;

	(void)state;
	SKIP_UNLESS_ROOT();
	name = path_join(t.share.exported, "new");
	assert_int_equal(mkdir(name, 0755), -1);
	assert_int_equal(errno, EROFS);
}

static void test_overlay_of_many_layers(void **state)
{
	auto_buf struct buf lower = BUF_INIT;
	auto_free char *host = NULL, *bottom = NULL, *text = NULL;
	struct err e = ERR_INIT;

	(void)state;
	SKIP_UNLESS_ROOT();
	buf_addf(&lower, "lowerdir=");
	for (unsigned i = 0; i < LAYERS; i++) {
		auto_free char *name =
			xasprintf("snapshots/a-rather-long-name-of-a-layer-%u/fs", i);

		make_dir(name);
		buf_addf(&lower, "%s%s/%s", i ? ":" : "", t.dir, name);
	}
	make_file("snapshots/a-rather-long-name-of-a-layer-119/fs/bottom", "deep");
	assert_true(lower.len > (size_t)getpagesize());
	{
		char *options[] = { lower.data, NULL };
		struct rootfs_mount m = {
			.type = "overlay", .source = "overlay", .target = "", .options = options
		};

		assert_ok(add_rootfs(&m, 1, "/nonexistent", &host, &e), &e);
	}
	bottom = path_join(host, "bottom");
	assert_ok(file_read(AT_FDCWD, bottom, 100, &text, NULL, &e), &e);
	assert_string_equal(text, "deep");
}

static void test_rootfs_of_a_directory(void **state)
{
	auto_free char *root = NULL, *host = NULL, *file = NULL;
	struct err e = ERR_INIT;

	(void)state;
	SKIP_UNLESS_ROOT();
	make_dir("given/root");
	make_file("given/root/x", "y");
	root = in_dir("given/root");
	assert_ok(add_rootfs(NULL, 0, root, &host, &e), &e);
	file = path_join(host, "x");
	assert_int_equal(access(file, R_OK), 0);
}

static void test_rootfs_that_cannot_be(void **state)
{
	char *verity[] = { W("ro"), W("X-containerd.dmverity=/l"), NULL };
	char *none[] = { NULL };
	const struct {
		struct rootfs_mount m;
		enum err_code code;
		const char *part;
	} rows[] = {
		{ { "format/mkdir/overlay", "overlay", "", none },
		  ERR_UNSUPPORTED,
		  "format/mkdir" },
		{ { "erofs", "/l", "", verity }, ERR_UNSUPPORTED, "X-containerd.dmverity" },
		{ { "bind", "/nonexistent/layer", "", none }, ERR_NOT_FOUND, "/nonexistent/layer" },
		{ { "nosuchfs", "none", "", none }, ERR_INTERNAL, "nosuchfs" },
		{ { "", "none", "", none }, ERR_INVALID, "without a type" },
	};

	(void)state;
	SKIP_UNLESS_ROOT();
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_free char *host = NULL;
		struct undo u = UNDO_INIT;
		struct err e;

		undo_move(&u, &t.undo);
		assert_err(add_rootfs(&rows[i].m, 1, "/", &host, &e), &e, rows[i].code,
			   rows[i].part);
		undo_run(&t.undo);
		undo_move(&t.undo, &u);
	}
}

/* Make an image file with an ext4 in it. Not everybody has mkfs, or loop devices. */
static bool make_image(const char *path)
{
	auto_close int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	int status = -1;
	pid_t pid;

	if (fd < 0 || ftruncate(fd, 8 << 20) < 0 || access("/dev/loop-control", R_OK | W_OK) < 0)
		return false;
	pid = fork();
	if (pid == 0) {
		(void)execlp("mkfs.ext4", "mkfs.ext4", "-q", "-F", path, (char *)NULL);
		_exit(127);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

/* How many loop devices have this file behind them? */
static unsigned loops_of(const char *image)
{
	unsigned n = 0;

	for (int i = 0; i < 256; i++) {
		auto_free char *path = xasprintf("/sys/block/loop%d/loop/backing_file", i);
		auto_free char *text = NULL;
		struct err e = ERR_INIT;

		if (file_read_line(AT_FDCWD, path, &text, &e) == 0)
			n += strcmp(text, image) == 0;
	}
	return n;
}

static void check_loop(const char *image, const char *option, int want_errno)
{
	char *options[] = { W("loop"), W(option), NULL };
	struct rootfs_mount m = { "ext4", image, "", options };
	auto_free char *host = NULL, *file = NULL;
	struct err e = ERR_INIT;
	struct undo u = UNDO_INIT;

	undo_move(&u, &t.undo);
	assert_ok(add_rootfs(&m, 1, "/", &host, &e), &e);
	assert_int_equal(loops_of(image), 1);
	file = path_join(host, option); /* the image keeps what was made */
	errno = 0;
	(void)mkdir(file, 0700);
	assert_int_equal(errno, want_errno);
	undo_run(&t.undo);
	/* The device is let go by a worker of the kernel. */
	for (int i = 0; i < PATIENCE_MS / 10 && loops_of(image) > 0; i++)
		(void)poll(NULL, 0, 10);
	assert_int_equal(loops_of(image), 0);
	undo_move(&t.undo, &u);
}

static void test_loop(void **state)
{
	auto_free char *image = NULL, *empty = NULL, *directory = NULL;
	char *options[] = { W("loop"), NULL };
	struct err e = ERR_INIT;

	(void)state;
	SKIP_UNLESS_ROOT();
	image = in_dir("image");
	empty = in_dir("empty");
	directory = in_dir("directory");
	if (!make_image(image))
		skip();
	check_loop(image, "rw", 0);
	check_loop(image, "ro", EROFS);

	make_dir("directory");
	make_file("empty", "no file system");
	const struct {
		const char *source, *part;
	} rows[] = {
		{ empty, "/empty' of type ext4: " },
		{ directory, "/directory': Is a directory" },
		{ "/nonexistent/image", "open '/nonexistent/image': No such file" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct rootfs_mount m = { "ext4", rows[i].source, "", options };
		auto_free char *host = NULL;
		struct undo u = UNDO_INIT;

		undo_move(&u, &t.undo);
		e = ERR_INIT;
		assert_int_equal(add_rootfs(&m, 1, "/", &host, &e), -1);
		if (!strstr(e.text, rows[i].part))
			fail_msg("'%s' is not in '%s'", rows[i].part, e.text);
		undo_run(&t.undo);
		undo_move(&t.undo, &u);
		assert_int_equal(loops_of(rows[i].source), 0);
	}
}

static void test_detach_below(void **state)
{
	auto_free char *a = NULL, *deep = NULL, *beside = NULL;
	struct err e = ERR_INIT;

	(void)state;
	SKIP_UNLESS_ROOT();
	make_dir("left/a b");
	make_dir("left-alone");
	a = in_dir("left/a b");
	beside = in_dir("left-alone");
	assert_int_equal(mount("one", a, "tmpfs", 0, NULL), 0);
	deep = path_join(a, "deep");
	assert_int_equal(mkdir(deep, 0755), 0);
	assert_int_equal(mount("two", deep, "tmpfs", 0, NULL), 0);
	assert_int_equal(mount("three", beside, "tmpfs", 0, NULL), 0);
	{
		auto_free char *left = in_dir("left");

		assert_ok(mount_detach_below(left, &e), &e);
		assert_ok(mount_detach_below(left, &e), &e);
	}
	assert_int_equal(count_mounts("left/a"), 0);
	assert_int_equal(count_mounts("left-alone"), 1);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_exporter_sees_later_mounts),
		CASE(test_export_is_read_only),
		CASE(test_overlay_of_many_layers),
		CASE(test_rootfs_of_a_directory),
		CASE(test_rootfs_that_cannot_be),
		CASE(test_loop),
		CASE(test_detach_below),
	};

	return cmocka_run_group_tests_name("rootfs", tests, group_set_up, NULL);
}
