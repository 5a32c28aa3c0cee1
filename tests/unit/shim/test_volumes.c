/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Volumes, mounted for real, as root in a mount namespace of its own, and what another namespace sees of
 * them. Skipped where that is not allowed.
 */
#include "tests/lib/test.h"

#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "shim/storage/host_mounts.h"
#include "shim/storage/volume.h"
#include "tests/unit/shim/storage_case.h"

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

struct wanted {
	const char *end;
	bool seen;
};

static int note_end(void *arg, const Grpc__CopyFileRequest *req, struct err *e)
{
	struct wanted *wanted = arg;
	size_t len = strlen(req->path), end = strlen(wanted->end);

	(void)e;
	wanted->seen |= len >= end && strcmp(req->path + len - end, wanted->end) == 0;
	return 0;
}

static bool is_copied(const char *name, const char *inside)
{
	struct wanted wanted = { .end = inside };
	const struct volume_copier to = { .send = note_end, .arg = &wanted };
	struct volume_copies copies = VOLUME_COPIES_INIT;
	auto_free char *source = in_dir(name);
	auto_free char *guest = NULL;
	struct err e = ERR_INIT;

	assert_ok(volume_copy(&copies, &to, source, true, DEADLINE_NEVER, &guest, &e), &e);
	volume_copies_done(&copies);
	return wanted.seen;
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
	assert_true(is_copied("volume", "/late/there"));
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

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_volumes), cmocka_unit_test(test_kinds),
		CASE(test_mounts_below_one_that_is_read_only),
		CASE(test_later_mounts_of_the_host), /* the last: it leaves another namespace */
	};

	return cmocka_run_group_tests_name("volumes", tests, group_set_up, NULL);
}
