/* SPDX-License-Identifier: Apache-2.0 */
/* Kubernetes' emptyDir volumes: which paths are some, what is on them, what the guest is asked for. */
#include "tests/lib/test.h"

#include <sched.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/base/path.h"
#include "shim/storage/empty_dir.h"
#include "shim/storage/volume.h"

#define ROOT   "/var/lib/kubelet"
#define VOLUME "/volumes/kubernetes.io~empty-dir/"

static void test_names(void **state)
{
	static const struct {
		const char *root, *path, *name; /* NULL: none */
	} rows[] = {
		{ ROOT, ROOT "/pods/1f-2" VOLUME "cache", "1f-2_cache" },
		{ ROOT "/", ROOT "/pods/1f-2" VOLUME "cache", "1f-2_cache" },
		{ "/k", "/k/pods/u" VOLUME "a.b", "u_a.b" },
		{ "/k", ROOT "/pods/u" VOLUME "cache", NULL },
		{ ROOT, ROOT "x/pods/u" VOLUME "cache", NULL },
		{ ROOT, ROOT "/pods/u/volumes/kubernetes.io~configmap/cache", NULL },
		{ ROOT, ROOT "/pods/u" VOLUME "cache/below", NULL },
		{ ROOT, ROOT "/pods/u" VOLUME, NULL },
		{ ROOT, ROOT "/pods" VOLUME "cache", NULL },
		{ ROOT, ROOT "/pods/u/v" VOLUME "cache", NULL },
		/* out of where it seems to be */
		{ ROOT, ROOT "/pods/u" VOLUME "..", NULL },
		{ ROOT, ROOT "/pods/.." VOLUME "cache", NULL },
		{ ROOT, ROOT "/pods/u/../v" VOLUME "cache", NULL },
		{ ROOT, ROOT "/pods//" VOLUME "cache", NULL },
		/* nothing that Kubernetes would call so */
		{ ROOT, ROOT "/pods/u" VOLUME "a_b", NULL },
		{ ROOT, ROOT "/pods/u" VOLUME "a\xff", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_free char *name = empty_dir_name(rows[i].root, rows[i].path);

		if ((name == NULL) != (rows[i].name == NULL) ||
		    (name && strcmp(name, rows[i].name) != 0))
			fail_msg("'%s' below '%s': %s", rows[i].path, rows[i].root,
				 name ? name : "(none)");
	}
}

static void test_names_of_sub_paths(void **state)
{
	static const struct {
		const char *path, *volume; /* NULL: none */
	} rows[] = {
		{ ROOT "/pods/u/volume-subpaths/cache/main/0", ROOT "/pods/u" VOLUME "cache" },
		{ ROOT "/pods/u/volume-subpaths/cache/main", NULL },
		{ ROOT "/pods/u/volume-subpaths/cache", NULL },
		{ ROOT "/pods/u/volume-subpaths/a_b/main/0", NULL },
		{ ROOT "/pods/u/volume-subpaths/../main/0", NULL },
		{ ROOT "/pods/u" VOLUME "cache", NULL },
		{ "/elsewhere/pods/u/volume-subpaths/cache/main/0", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_free char *volume = empty_dir_of_subpath(ROOT, rows[i].path);

		if ((volume == NULL) != (rows[i].volume == NULL) ||
		    (volume && strcmp(volume, rows[i].volume) != 0))
			fail_msg("'%s': %s", rows[i].path, volume ? volume : "(none)");
	}
}

static void check_made(const struct empty_dir *d, const struct oci_resources *limits,
		       const char *driver, const char *fstype, const char *at,
		       const char *const *options)
{
	auto_guest_request struct guest_request r = GUEST_REQUEST_INIT;
	auto_free char *path = NULL;
	struct err e = ERR_INIT;
	const Grpc__Storage *s;

	assert_ok(empty_dir_make(d, limits, &r, &path, &e), &e);
	assert_string_equal(path, at);
	assert_int_equal(r.n_storages, 1);
	s = r.storages[0];
	assert_string_equal(s->mount_point, at);
	assert_string_equal(s->driver, driver);
	assert_string_equal(s->fstype, fstype);
	assert_int_equal(s->n_options, strv_len(options));
	for (size_t i = 0; options[i]; i++)
		assert_string_equal(s->options[i], options[i]);
}

static void test_requests(void **state)
{
	static const char *const memory[] = { "size=1048576", "mode=777", NULL };
	static const char *const unlimited[] = { "mode=2770", "fsgid=1234", NULL };
	static const char *const huge[] = { "pagesize=2097152", "size=8388608", "mode=777", "gid=5",
					    NULL };
	char name[] = "u_v", kib[] = "64KB", mib[] = "2MB", wrong[] = "2M";
	struct oci_hugepage_limit limit[] = { { wrong, 1 }, { kib, 65536 }, { mib, 8 << 20 } };
	struct oci_resources limits = { .hugepage_limits = limit, .n_hugepage_limits = 3 };
	struct empty_dir d = {
		.kind = EMPTY_DIR_MEMORY, .name = name, .bytes = 1 << 20, .mode = 0777
	};
	auto_guest_request struct guest_request r = GUEST_REQUEST_INIT;
	auto_free char *path = NULL;
	struct err e;

	(void)state;
	check_made(&d, NULL, "ephemeral", "tmpfs", "/run/kata-containers/sandbox/ephemeral/u_v",
		   memory);
	d = (struct empty_dir){ EMPTY_DIR_DISK, name, .mode = 02770, .group = 1234 };
	check_made(&d, NULL, "local", "local", "/run/kata-containers/sandbox/local/u_v", unlimited);
	d = (struct empty_dir){ EMPTY_DIR_HUGEPAGES, name, .page_size = 2 << 20, .mode = 0777,
				.group = 5 };
	check_made(&d, &limits, "ephemeral", "hugetlbfs",
		   "/run/kata-containers/sandbox/ephemeral/u_v", huge);
	limits.n_hugepage_limits = 2;
	d.bytes = 8 << 20;
	check_made(&d, &limits, "ephemeral", "hugetlbfs",
		   "/run/kata-containers/sandbox/ephemeral/u_v", huge);
	d.bytes = 0;
	assert_err(empty_dir_make(&d, &limits, &r, &path, &e), &e, ERR_INVALID,
		   "huge pages of 2097152 bytes");
	assert_err(empty_dir_make(&d, NULL, &r, &path, &e), &e, ERR_INVALID, "limits");
}

static void check_found(const char *root, const char *path, enum empty_dir_kind kind,
			uint64_t bytes)
{
	auto_empty_dir struct empty_dir d = EMPTY_DIR_INIT;
	struct err e = ERR_INIT;

	assert_ok(empty_dir_find(root, path, &d, &e), &e);
	assert_int_equal(d.kind, kind);
	assert_int_equal(d.bytes, bytes);
	if (kind != EMPTY_DIR_NONE) {
		assert_string_equal(d.name, "u_v");
		assert_int_equal(d.mode, 02770);
		assert_int_equal(d.group, 4321);
	}
}

/* A pod that has a larger /dev/shm from an emptyDir does not get the sandbox's. */
static void check_brought(const char *kubelet, const char *volume, bool guest_empty_dir,
			  const char *at)
{
	char *options[] = { (char *)(uintptr_t) "rbind", NULL };
	struct oci_mount m = { .destination = (char *)(uintptr_t) "/dev/shm",
			       .source = (char *)(uintptr_t)volume,
			       .options = options };
	struct oci_spec spec = { .mounts = &m, .n_mounts = 1 };
	auto_guest_request struct guest_request r = GUEST_REQUEST_INIT;
	const struct volume_disk_params disk = { .direct_volumes = kubelet, .r = &r };
	const struct volumes_params p = {
		.spec = &spec,
		.no_disks = true,
		.disk = &disk,
		.kubelet_root = kubelet,
		.guest_empty_dir = guest_empty_dir,
	};
	struct undo u = UNDO_INIT;
	struct volume *v = NULL;
	struct err e = ERR_INIT;

	assert_ok(volumes_bring(&p, &u, &v, &e), &e);
	assert_int_equal(v[0].kind, at ? VOLUME_MOUNTED : VOLUME_SHM);
	if (at)
		assert_string_equal(v[0].guest_path, at);
	assert_int_equal(r.n_storages, at ? 1 : 0);
	volumes_free(v, 1);
}

/* `volume` is in memory. */
static void check_sub_paths(const char *kubelet, const char *volume)
{
	auto_free char *bound = path_join(kubelet, "pods/u/volume-subpaths/v/main/0");
	auto_free char *part = path_join(volume, "some/part");
	auto_empty_dir struct empty_dir d = EMPTY_DIR_INIT;
	struct err e = ERR_INIT;

	assert_ok(path_mkdirs(bound, 0755, &e), &e);
	assert_ok(path_mkdirs(part, 0755, &e), &e);
	/* Nothing is mounted there yet: it is a directory of the disk's. */
	check_found(kubelet, bound, EMPTY_DIR_NONE, 0);
	assert_int_equal(mount(part, bound, NULL, MS_BIND, NULL), 0);
	check_found(kubelet, bound, EMPTY_DIR_MEMORY, 3 << 20);
	check_brought(kubelet, bound, false,
		      "/run/kata-containers/sandbox/ephemeral/u_v/some/part");
	assert_ok(empty_dir_find(kubelet, bound, &d, &e), &e);
	assert_string_equal(d.inside, "/some/part");
	assert_int_equal(umount(bound), 0);
}

/* `volume` is on disk, which is all of /, here a part of it. */
static void check_sub_paths_on_disk(const char *kubelet, const char *volume)
{
	auto_free char *bound = path_join(kubelet, "pods/u/volume-subpaths/v/main/1");
	auto_free char *part = path_join(volume, "some/part");
	auto_free char *outside = path_join(kubelet, "pods/u/some/part");
	struct err e = ERR_INIT;

	assert_ok(path_mkdirs(bound, 0755, &e), &e);
	assert_ok(path_mkdirs(part, 0755, &e), &e);
	assert_ok(path_mkdirs(outside, 0755, &e), &e);
	check_found(kubelet, bound, EMPTY_DIR_NONE, 0);
	assert_int_equal(mount(outside, bound, NULL, MS_BIND, NULL), 0);
	check_found(kubelet, bound, EMPTY_DIR_NONE, 0);
	assert_int_equal(umount(bound), 0);
	assert_int_equal(mount(part, bound, NULL, MS_BIND, NULL), 0);
	check_found(kubelet, bound, EMPTY_DIR_DISK, 0);
	check_brought(kubelet, bound, true, "/run/kata-containers/sandbox/local/u_v/some/part");
	check_brought(kubelet, bound, false, NULL);
	assert_int_equal(umount(bound), 0);
}

static void test_what_is_there(void **state)
{
	char dir[] = "/tmp/husk-test-XXXXXX";
	auto_free char *kubelet = NULL, *link = NULL, *volume = NULL, *below = NULL;
	struct err e = ERR_INIT;

	(void)state;
	if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		skip();
	assert_non_null(mkdtemp(dir));
	/* As on hosts whose whole /var is one. */
	assert_int_equal(mount("tmpfs", dir, "tmpfs", 0, NULL), 0);
	kubelet = path_join(dir, "kubelet");
	volume = path_join(kubelet, "pods/u" VOLUME "v");
	below = path_join(volume, "below");
	assert_ok(path_mkdirs(below, 0755, &e), &e);
	assert_int_equal(chown(volume, 0, 4321), 0);
	assert_int_equal(chmod(volume, 02770), 0);
	check_found(kubelet, volume, EMPTY_DIR_DISK, 0);
	check_found(kubelet, below, EMPTY_DIR_NONE, 0);
	check_found(ROOT, volume, EMPTY_DIR_NONE, 0);
	link = path_join(dir, "link");
	assert_int_equal(symlink(kubelet, link), 0);
	check_found(link, volume, EMPTY_DIR_DISK, 0);
	check_brought(kubelet, volume, true, "/run/kata-containers/sandbox/local/u_v");
	check_brought(kubelet, volume, false, NULL);
	check_sub_paths_on_disk(kubelet, volume);

	assert_int_equal(mount("tmpfs", volume, "tmpfs", 0, "size=3m,mode=2770,gid=4321"), 0);
	check_found(kubelet, volume, EMPTY_DIR_MEMORY, 3 << 20);
	check_brought(kubelet, volume, false, "/run/kata-containers/sandbox/ephemeral/u_v");
	check_sub_paths(kubelet, volume);
	assert_int_equal(umount(volume), 0);

	assert_int_equal(rmdir(below), 0);
	{
		auto_free char *some = path_join(volume, "some"), *part = path_join(some, "part");

		assert_int_equal(rmdir(part), 0);
		assert_int_equal(rmdir(some), 0);
	}
	assert_int_equal(rmdir(volume), 0);
	assert_int_equal(symlink("/", volume), 0);
	check_found(kubelet, volume, EMPTY_DIR_NONE, 0);
	assert_int_equal(unlink(volume), 0);
	{
		struct empty_dir d = EMPTY_DIR_INIT;

		assert_err(empty_dir_find(kubelet, volume, &d, &e), &e, ERR_NOT_FOUND, volume);
	}
	assert_int_equal(umount(dir), 0);
	assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_names_of_sub_paths),
		cmocka_unit_test(test_requests),
		cmocka_unit_test(test_what_is_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
