/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mounting for real, as root in a mount namespace of its own: the share and what another namespace
 * sees of it, root file systems, volumes, undo. Skipped where that is not allowed.
 */
#include "tests/lib/test.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "shim/storage/host_mounts.h"
#include "shim/storage/rootfs.h"
#include "shim/storage/volume.h"

/* Members of specs are char *, literals are not. */
#define W(s) ((char *)(uintptr_t)(s))

#define LAYERS 120 /* an image has at most 127; their names fill far more than a page */

static struct {
	bool skip;
	char dir[64];
	struct undo undo;
	struct share share;
} t;

static char *in_dir(const char *name)
{
	return path_join(t.dir, name);
}

static void make_dir(const char *name)
{
	auto_free char *path = in_dir(name);
	struct err e = ERR_INIT;

	assert_ok(path_mkdirs(path, 0755, &e), &e);
}

static void make_file(const char *name, const char *text)
{
	auto_free char *path = in_dir(name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write_all(fd, text, strlen(text)), 0);
	(void)close(fd);
}

static int group_set_up(void **state)
{
	(void)state;
	/* Slave first: nothing of this may reach the machine's own namespace. */
	t.skip = geteuid() != 0 || unshare(CLONE_NEWNS) < 0 ||
		 mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0;
	return 0;
}

static int set_up(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	if (t.skip)
		return 0;
	(void)snprintf(t.dir, sizeof(t.dir), "/tmp/husk-storage-XXXXXX");
	if (!mkdtemp(t.dir) || mount("test", t.dir, "tmpfs", 0, NULL) < 0)
		return -1;
	make_dir("sandbox");
	t.share = SHARE_INIT;
	{
		auto_free char *dir = in_dir("sandbox");

		assert_ok(share_start(&t.share, dir, &t.undo, &e), &e);
	}
	return 0;
}

static unsigned count_mounts(const char *below)
{
	auto_free char *text = NULL;
	struct err e = ERR_INIT;
	unsigned n = 0;

	assert_ok(file_read(AT_FDCWD, "/proc/self/mountinfo", 1 << 24, &text, NULL, &e), &e);
	for (const char *at = text; (at = strstr(at, below)); at++)
		n++;
	return n;
}

static int tear_down(void **state)
{
	struct stat st;

	(void)state;
	if (t.skip)
		return 0;
	undo_run(&t.undo);
	share_done(&t.share);
	/* What undo left shows here: a mount, or a name in the sandbox's directory. */
	{
		auto_free char *dir = in_dir("sandbox");

		assert_int_equal(count_mounts(dir), 0);
		assert_int_equal(stat(dir, &st), 0);
		assert_int_equal(rmdir(dir), 0);
	}
	return umount2(t.dir, MNT_DETACH) < 0 || rmdir(t.dir) < 0 ? -1 : 0;
}

/*
 * A process that does with the share what virtiofsd does: a mount namespace of its own, propagation
 * from ours, its root the exported directory. It then waits for `path` to have `text` in it, and
 * tries to write there if asked to. Its exit code: 0 found, 1 not found, 2 found but not writable.
 */
static pid_t start_exporter(const char *path, const char *text, bool try_write)
{
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	(void)alarm(20);
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0 ||
	    mount(t.share.exported, t.share.exported, NULL, MS_BIND | MS_REC, NULL) < 0 ||
	    chdir(t.share.exported) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 ||
	    umount2(".", MNT_DETACH) < 0)
		_exit(99);
	(void)raise(SIGSTOP);
	{
		struct err e = ERR_INIT;
		char *have = NULL;

		if (file_read(AT_FDCWD, path, 4096, &have, NULL, &e) < 0 || strcmp(have, text) != 0)
			_exit(1);
	}
	_exit(try_write && open(path, O_WRONLY | O_CLOEXEC) < 0 ? 2 : 0);
}

static void wait_until_stopped(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	assert_true(WIFSTOPPED(status));
}

static int result_of(pid_t pid)
{
	int status;

	(void)kill(pid, SIGCONT);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

#define SKIP_UNLESS_ROOT()      \
	do {                    \
		if (t.skip) {   \
			skip(); \
		}               \
	} while (0)

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
	for (int i = 0; i < 200 && loops_of(image) > 0; i++)
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

/* One bind mount with the NULL-terminated `options`. The result is for volumes_free(). */
static struct volume *bring(const char *name, const char *const *options)
{
	auto_free char *source = in_dir(name);
	auto_strv char **opts = NULL;
	struct oci_mount m = { .destination = W("/data"), .type = W("bind"), .source = source };
	struct oci_spec spec = { .mounts = &m, .n_mounts = 1 };
	const struct volume_disk_params disk = { .direct_volumes = t.dir };
	struct volumes_params params = { .share = &t.share,
					 .container = "c1",
					 .spec = &spec,
					 .no_disks = true,
					 .disk = &disk,
					 .kubelet_root = t.dir };
	struct volume *v = NULL;
	struct err e = ERR_INIT;

	for (size_t i = 0; options[i]; i++)
		strv_add(&opts, options[i]);
	m.options = opts;
	assert_ok(volumes_bring(&params, &t.undo, &v, &e), &e);
	assert_int_equal(v[0].kind, VOLUME_SHARED);
	return v;
}

static void check_volume(const char *const *options, bool directory, int want)
{
	auto_free char *inside = NULL;
	struct volume *v;
	pid_t pid;

	make_dir("volume/data");
	make_file("volume/data/file", "content");
	/* The second name is the same for each case: numbers count up from 0. */
	inside = xasprintf("/c1-%x-%s", (unsigned)t.share.next, directory ? "data/file" : "file");
	pid = start_exporter(inside, "content", true);
	wait_until_stopped(pid);
	v = bring(directory ? "volume/data" : "volume/data/file", options);
	assert_int_equal(result_of(pid), want);
	volumes_free(v, 1);
	/* The original stays as it was. */
	{
		auto_free char *file = in_dir("volume/data/file");

		assert_int_equal(access(file, W_OK), 0);
	}
}

static void test_volumes(void **state)
{
	static const char *const rw[] = { "rbind", "rw", NULL };
	static const char *const ro[] = { "rbind", "ro", NULL };

	(void)state;
	SKIP_UNLESS_ROOT();
	check_volume(rw, true, 0);
	check_volume(ro, true, 2);
	check_volume(rw, false, 0);
	check_volume(ro, false, 2);
}

static int write_in(const char *guest_path, const char *name)
{
	auto_free char *path =
		xasprintf("%s/%s/%s", t.share.exported, guest_path + strlen(SHARE_GUEST_DIR), name);
	auto_close int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	return fd < 0 ? errno : 0;
}

static void test_mounts_below_one_that_is_read_only(void **state)
{
	static const struct {
		const char *options[4];
		bool with_mount;
		int above, below; /* errno of a write */
		bool on_host;
	} rows[] = {
		{ { "rbind", "rw" }, true, 0, 0, false },
		{ { "rbind", "ro" }, true, EROFS, 0, true },
		{ { "rbind", "rro" }, true, EROFS, EROFS, false },
		{ { "rbind", "ro" }, false, EROFS, EROFS, false },
		{ { "rbind", "ro", "rslave" }, false, EROFS, EROFS, true },
	};
	auto_free char *below = NULL;

	(void)state;
	SKIP_UNLESS_ROOT();
	make_dir("volume/data/below");
	below = in_dir("volume/data/below");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct volume *v;

		if (rows[i].with_mount)
			assert_int_equal(mount("below", below, "tmpfs", 0, NULL), 0);
		v = bring("volume/data", rows[i].options);
		assert_int_equal(write_in(v[0].guest_path, "new"), rows[i].above);
		assert_int_equal(write_in(v[0].guest_path, "below/new"), rows[i].below);
		assert_int_equal(v[0].read_only_on_host, rows[i].on_host);
		volumes_free(v, 1);
		if (rows[i].with_mount)
			assert_int_equal(umount2(below, MNT_DETACH), 0);
	}
}

/* What containerd's namespace has mounted since ours was made, where nothing gets from one to the other. */
static void test_later_mounts_of_the_host(void **state)
{
	static const char *const rw[] = { "rbind", "rw", NULL };
	auto_free char *late = NULL, *there = NULL, *path = NULL;
	struct err e = ERR_INIT;
	struct volume *v;
	int status, go[2];
	pid_t host;

	(void)state;
	SKIP_UNLESS_ROOT();
	make_dir("volume/late");
	late = in_dir("volume/late");
	there = in_dir("volume/late/there");
	assert_ok(host_mounts_keep(&e), &e);
	assert_int_equal(pipe(go), 0);
	host = fork();
	if (host == 0) {
		char c;

		_exit(read(go[0], &c, 1) != 1 || mount("late", late, "tmpfs", 0, NULL) < 0 ||
		      mkdir(there, 0755) < 0);
	}
	assert_int_equal(unshare(CLONE_NEWNS), 0);
	assert_int_equal(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	assert_int_equal(write(go[1], "", 1), 1);
	assert_int_equal(waitpid(host, &status, 0), host);
	assert_int_equal(status, 0);
	(void)close(go[0]);
	(void)close(go[1]);
	assert_int_equal(access(there, F_OK), -1);
	v = bring("volume", rw);
	path = xasprintf("%s/%s/late/there", t.share.mounts,
			 v[0].guest_path + strlen(SHARE_GUEST_DIR));
	assert_int_equal(access(path, F_OK), 0);
	volumes_free(v, 1);
}

static void test_kinds(void **state)
{
	char *rbind[] = { W("rbind"), W("ro"), NULL };
	const struct {
		struct oci_mount m;
		mode_t mode;
		enum volume_kind kind;
	} rows[] = {
		{ { .destination = W("/proc"), .type = W("proc") }, 0, VOLUME_GUEST },
		{ { .destination = W("/dev/shm"), .type = W("tmpfs") }, 0, VOLUME_SHM },
		{ { .destination = W("/dev/shm"), .type = W("bind"), .source = W("/x") },
		  0,
		  VOLUME_SHM },
		{ { .destination = W("/d"), .options = rbind, .source = W("/x") },
		  S_IFDIR,
		  VOLUME_SHARED },
		{ { .destination = W("/d"), .type = W("bind"), .source = W("/x") },
		  S_IFREG,
		  VOLUME_SHARED },
		{ { .destination = W("/d"), .type = W("bind"), .source = W("/x") },
		  S_IFSOCK,
		  VOLUME_SKIPPED },
		{ { .destination = W("/d"), .type = W("bind"), .source = W("/x") },
		  S_IFBLK,
		  VOLUME_DEVICE },
		{ { .destination = W("/d"), .type = W("bind"), .source = W("/dev/sda") },
		  S_IFBLK,
		  VOLUME_DEVICE },
		{ { .destination = W("/d"), .type = W("bind"), .source = W("/sys/fs/bpf") },
		  S_IFDIR,
		  VOLUME_GUEST },
		{ { .destination = W("/d"), .type = W("bind"), .source = W("/proc") },
		  S_IFDIR,
		  VOLUME_GUEST },
		{ { .destination = W("/d"), .type = W("bind"), .source = W("/procfs") },
		  S_IFDIR,
		  VOLUME_SHARED },
		{ { .destination = W("/d"), .type = W("bind"), .source = W("/dev/null") },
		  S_IFCHR,
		  VOLUME_GUEST },
		{ { .destination = W("/d"), .type = W("bind"), .source = W("/dev/f") },
		  S_IFREG,
		  VOLUME_SHARED },
	};
	struct oci_mount nfs = { .destination = W("/n"),
				 .type = W("nfs4"),
				 .source = W("server:/x") };
	enum volume_kind kind;
	struct err e = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_ok(volume_kind_of(&rows[i].m, rows[i].mode, &kind, &e), &e);
		if (kind != rows[i].kind)
			fail_msg("row %zu: kind %d, want %d", i, (int)kind, (int)rows[i].kind);
	}
	assert_err(volume_kind_of(&nfs, 0, &kind, &e), &e, ERR_UNSUPPORTED, "'nfs4'");
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
		CASE(test_volumes),
		CASE(test_loop),
		cmocka_unit_test(test_kinds),
		CASE(test_detach_below),
		CASE(test_mounts_below_one_that_is_read_only),
		CASE(test_later_mounts_of_the_host), /* the last: it leaves another namespace */
	};

	return cmocka_run_group_tests_name("storage", tests, group_set_up, NULL);
}
