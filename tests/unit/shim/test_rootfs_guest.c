/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Root file systems and volumes on disks of a machine that is none: what is plugged, what the agent is
 * asked for, and that nothing stays plugged whatever fails.
 */
#include "tests/lib/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/async/fiber.h"
#include "common/base/fd.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "shim/storage/rootfs_guest.h"
#include "tests/unit/shim/fake_hv.h"

#define W(s)  ((char *)(uintptr_t)(s))
#define ROOT  "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define META  "X-containerd.dmverity={\"roothash\":\"" ROOT "\",\"hashoffset\":4096}"
#define ZEROS "0000000000000000000000000000000000000000000000000000000000000000"

static struct {
	char dir[64];
	char *a, *b, *rw, *old;
	struct disks disks;
	struct undo undo;
	struct guest_request request;
	struct err e;
	int result;
	char *path;
	void (*scenario)(void);
} t;

static char *file(const char *name, size_t bytes)
{
	char *path = path_join(t.dir, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)bytes), 0);
	(void)close(fd);
	return path;
}

static int set_up(void **state)
{
	(void)state;
	memset(&fake_hv, 0, sizeof(fake_hv));
	memset(&t, 0, sizeof(t));
	log_set_level(LOG_LEVEL_ERROR);
	(void)snprintf(t.dir, sizeof(t.dir), "/tmp/husk-rootfs-XXXXXX");
	if (!mkdtemp(t.dir))
		return -1;
	t.a = file("a", 8192);
	t.b = file("b", 8192);
	t.old = file("old", 1 << 20);
	t.rw = path_join(t.dir, "rw");
	t.disks.hv = (struct hv *)&t; /* never looked into */
	return 0;
}

static int tear_down(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	free(t.a);
	free(t.b);
	free(t.rw);
	free(t.old);
	return path_remove_tree(AT_FDCWD, t.dir, &e);
}

static void attach(const struct rootfs_mount *m, size_t n)
{
	auto_rootfs_plan struct rootfs_plan plan;

	t.e = ERR_INIT;
	assert_ok(rootfs_plan_make(m, n, &plan, &t.e), &t.e);
	t.path = NULL;
	t.result = rootfs_guest_attach(&plan, "c1", &t.disks, deadline_in_ms(PATIENCE_MS), &t.undo,
				       &t.request, &t.path, &t.e);
}

static void take_back(void)
{
	undo_run(&t.undo);
	guest_request_done(&t.request);
	free(take_ptr(t.path));
}

static void run(void *arg)
{
	(void)arg;
	t.scenario();
}

static void in_fiber(void (*scenario)(void))
{
	t.scenario = scenario;
	fiber_main(run, NULL);
}

static char *storage_line(const Grpc__Storage *s)
{
	struct buf b = BUF_INIT;

	buf_addf(&b, "%s %s %s %s", s->driver, s->source, s->fstype, s->mount_point);
	for (size_t i = 0; i < s->n_options; i++)
		buf_addf(&b, "%s%s", i ? "," : " ", s->options[i]);
	return b.data;
}

static void check_storage(size_t i, const char *want)
{
	auto_free char *have = NULL;

	assert_true(i < t.request.n_storages);
	have = storage_line(t.request.storages[i]);
	assert_string_equal(have, want);
}

/* Two layers, the upper of them verified, and a writable image, which is there already or not. */
static void attach_layers(const char *writable)
{
	static char *verified[] = { W("ro"), W("loop"), W(META), NULL };
	static char *plain[] = { W("ro"), W("loop"), NULL };
	static char *make[] = { W("X-containerd.mkfs.fs=ext4"), W("X-containerd.mkfs.size=8MiB"),
				W("rw"), W("loop"), NULL };
	static char *overlay[] = { W("workdir={{ mount 0 }}/work"),
				   W("upperdir={{ mount 0 }}/upper"),
				   W("lowerdir={{ overlay 1 2 }}"), NULL };
	const struct rootfs_mount m[] = { { "mkfs/ext4", writable, "", make },
					  { "erofs", t.a, "", verified },
					  { "erofs", t.b, "", plain },
					  { "format/mkdir/overlay", "overlay", "", overlay } };

	attach(m, ARRAY_LEN(m));
}

static void layers(void)
{
	attach_layers(t.old);
	assert_ok(t.result, &t.e);
	assert_string_equal(t.path, "/run/kata-containers/c1/rootfs");
	assert_int_equal(fake_hv.disks, 2);
	assert_string_equal(fake_hv.plugged,
			    "rw:old ro:the partition table,a,b,the partition table");
	assert_int_equal(t.request.n_storages, 3);
	check_storage(0, "blk 00/00 ext4 /run/kata-containers/c1/rootfs rw,X-kata.overlay-upper,"
			 "X-kata.multi-layer=true");
	check_storage(1, "blk 01/00 erofs /run/kata-containers/c1/rootfs ro,X-kata.overlay-lower,"
			 "X-kata.multi-layer=true,X-kata.gpt-partitioned=true,"
			 "X-kata.partition-number=1,X-kata.dmverity-enabled=true,"
			 "X-kata.dmverity.roothash=" ROOT ",X-kata.dmverity.hashoffset=4096,"
			 "X-kata.dmverity.no-superblock=true,X-kata.dmverity.salt=" ZEROS
			 ",X-kata.dmverity.blocksize=4096,X-kata.dmverity.hashsize=4096,"
			 "X-kata.dmverity.algorithm=sha256,X-kata.dmverity.hashtype=1");
	check_storage(2, "blk 01/00 erofs /run/kata-containers/c1/rootfs ro,X-kata.overlay-lower,"
			 "X-kata.multi-layer=true,X-kata.gpt-partitioned=true,"
			 "X-kata.partition-number=2");
	take_back();
	assert_int_equal(fake_hv.disks, 0);
}

static void test_layers(void **state)
{
	(void)state;
	in_fiber(layers);
}

static void one_fails(void)
{
	for (unsigned n = 1; n <= 2; n++) {
		fake_hv.refuse_plug = n;
		attach_layers(t.old);
		assert_int_equal(t.result, -1);
		assert_int_equal(t.e.code, ERR_EXHAUSTED);
		assert_non_null(strstr(t.e.text, "no slot is free"));
		assert_int_equal(t.request.n_storages, 0);
		assert_int_equal(fake_hv.disks, 1);
		take_back();
		assert_int_equal(fake_hv.disks, 0);
	}
	fake_hv.no_disks = true;
	attach_layers(t.old);
	assert_int_equal(t.e.code, ERR_UNSUPPORTED);
	take_back();
}

static void test_one_of_two_disks_fails(void **state)
{
	(void)state;
	in_fiber(one_fails);
}

static void nothing_plugged(void)
{
	assert_int_equal(unlink(t.b), 0);
	attach_layers(t.old);
	assert_int_equal(t.result, -1);
	assert_non_null(strstr(t.e.text, "layer 2 of 2"));
	assert_int_equal(fake_hv.plugs, 0);
	take_back();
}

static void test_files_are_opened_before_disks_are_plugged(void **state)
{
	(void)state;
	in_fiber(nothing_plugged);
}

static void made(void)
{
	struct stat st;

	attach_layers(t.rw);
	assert_ok(t.result, &t.e);
	assert_int_equal(stat(t.rw, &st), 0);
	assert_int_equal(st.st_size, 8 << 20);
	take_back();
	/* made once: what is there stays as it is, also what is no file system */
	attach_layers(t.old);
	assert_ok(t.result, &t.e);
	assert_int_equal(stat(t.old, &st), 0);
	assert_int_equal(st.st_blocks, 0);
	take_back();
	{
		auto_free char *nowhere = path_join(t.dir, "no/such/rw");

		attach_layers(nowhere);
		assert_int_equal(t.result, -1);
		assert_non_null(strstr(t.e.text, "make image '"));
		take_back();
	}
}

static void test_writable_image_is_made_when_new(void **state)
{
	(void)state;
	if (access("/sbin/mkfs.ext4", X_OK) < 0)
		skip();
	in_fiber(made);
}

static void other_ways(void)
{
	char *verified[] = { W("ro"), W("loop"), W(META), NULL };
	char *loop[] = { W("loop"), W("ro"), NULL };
	char *bind[] = { W("rw"), NULL };
	const struct rootfs_mount view = { "erofs", t.a, "", verified };
	const struct rootfs_mount image = { "ext4", t.old, "", loop };
	const struct rootfs_mount no_loop = { "ext4", t.old, "", bind };
	const struct rootfs_mount alone[] = { { "ext4", t.old, "", loop },
					      { "format/bind", "{{ mount 0 }}/upper", "", bind } };

	attach(&view, 1);
	assert_ok(t.result, &t.e);
	assert_string_equal(fake_hv.plugged, "ro:a");
	assert_int_equal(strncmp(t.request.storages[0]->options[1], "X-kata.dmverity", 15), 0);
	take_back();

	attach(&image, 1);
	assert_ok(t.result, &t.e);
	check_storage(0, "blk 01/00 ext4 /run/kata-containers/c1/rootfs ro");
	take_back();

	attach(&no_loop, 1);
	assert_int_equal(t.result, -1);
	assert_non_null(strstr(t.e.text, "no block device"));
	take_back();

	attach(alone, 2);
	assert_ok(t.result, &t.e);
	check_storage(0, "blk 02/00 ext4 /run/kata-containers/c1/writable ro");
	check_storage(1, "local local local /run/kata-containers/c1/writable/upper mode=0755");
	check_storage(2, "bind /run/kata-containers/c1/writable/upper bind "
			 "/run/kata-containers/c1/rootfs");
	take_back();
	assert_int_equal(fake_hv.disks, 0);
}

static void test_other_ways(void **state)
{
	(void)state;
	in_fiber(other_ways);
}

static void vm_ends_first(void)
{
	attach_layers(t.old);
	assert_ok(t.result, &t.e);
	t.disks.hv = NULL;
	take_back();
	assert_int_equal(fake_hv.disks, 2); /* nobody touched what went with the machine */
	attach_layers(t.old);
	assert_int_equal(t.e.code, ERR_UNAVAILABLE);
	take_back();
}

static void test_vm_ends_first(void **state)
{
	(void)state;
	in_fiber(vm_ends_first);
}

struct user {
	struct undo undo;
	const struct hv_device *device;
	struct err e;
	int result;
};

static void plug_shared(void *arg)
{
	struct user *u = arg;
	struct disk_file f = DISK_FILE_NONE;

	assert_ok(disk_file_open(t.old, false, &f, &u->e), &u->e);
	u->result = disks_plug_shared(&t.disks, &f, false, deadline_in_ms(PATIENCE_MS), &u->undo,
				      &u->device, &u->e);
	disk_file_close(&f);
}

static void sharing(void)
{
	struct user u[4] = { 0 };
	struct fiber_group g = FIBER_GROUP_INIT;

	for (int i = 0; i < 3; i++)
		fiber_group_start(&g, "user", plug_shared, &u[i]);
	fiber_group_wait(&g);
	for (int i = 0; i < 3; i++) {
		assert_ok(u[i].result, &u[i].e);
		assert_ptr_equal(u[i].device, u[0].device);
	}
	assert_int_equal(fake_hv.plugs, 1);
	undo_run(&u[0].undo);
	undo_run(&u[1].undo);
	assert_int_equal(fake_hv.disks, 1);
	undo_run(&u[2].undo);
	assert_int_equal(fake_hv.disks, 0);
	assert_null(t.disks.shared);

	/* the first fails: the one that waited for it tries itself */
	fake_hv.refuse_plug = 1;
	fiber_group_start(&g, "user", plug_shared, &u[2]);
	fiber_group_start(&g, "user", plug_shared, &u[3]);
	fiber_group_wait(&g);
	assert_int_equal(u[2].result, -1);
	assert_ok(u[3].result, &u[3].e);
	undo_run(&u[3].undo);
	assert_int_equal(fake_hv.disks, 0);
}

static void test_volumes_are_shared(void **state)
{
	(void)state;
	in_fiber(sharing);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_layers),
		CASE(test_one_of_two_disks_fails),
		CASE(test_files_are_opened_before_disks_are_plugged),
		CASE(test_writable_image_is_made_when_new),
		CASE(test_other_ways),
		CASE(test_vm_ends_first),
		CASE(test_volumes_are_shared),
	};

	return cmocka_run_group_tests_name("root file systems on disks", tests, NULL, NULL);
}
