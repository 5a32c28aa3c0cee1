/* SPDX-License-Identifier: Apache-2.0 */
/* What a kubelet projects: which paths are some, what is read of them, and that it is never half. */
#include "tests/lib/test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/base/path.h"
#include "shim/storage/projection.h"
#include "tests/unit/shim/projected_volume.h"

#define ROOT    "/var/lib/kubelet"
#define VOLUMES "/volumes/kubernetes.io~"

static void test_names(void **state)
{
	static const struct {
		const char *path, *name; /* NULL: none */
	} rows[] = {
		{ ROOT "/pods/1f-2" VOLUMES "configmap/c", "1f-2_c" },
		{ ROOT "/pods/1f-2" VOLUMES "secret/s.1", "1f-2_s.1" },
		{ ROOT "/pods/1f-2" VOLUMES "projected/kube-api-access-x",
		  "1f-2_kube-api-access-x" },
		{ ROOT "/pods/1f-2" VOLUMES "downward-api/labels", "1f-2_labels" },
		{ ROOT "/pods/1f-2" VOLUMES "empty-dir/c", NULL },
		{ ROOT "/pods/1f-2" VOLUMES "csi/c/mount", NULL },
		{ ROOT "/pods/1f-2" VOLUMES "configmap/c/..data", NULL },
		{ ROOT "/pods/1f-2" VOLUMES "configmap/..", NULL },
		{ ROOT "/pods/1f-2/volume-subpaths/c/main/0", NULL },
		{ "/other/pods/1f-2" VOLUMES "configmap/c", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_free char *name = projection_name(ROOT, rows[i].path);

		if ((name == NULL) != (rows[i].name == NULL) ||
		    (name && strcmp(name, rows[i].name) != 0))
			fail_msg("'%s': %s", rows[i].path, name ? name : "(none)");
	}
}

static int read_it(Husk__PutRequest **ret, struct err *e)
{
	struct projection_version version;

	*ret = NULL;
	return projection_read(volume.path, "u_c", &version, ret, e);
}

static const Husk__ProjectedFile *file(const Husk__PutRequest *set, const char *path)
{
	for (size_t i = 0; i < set->n_files; i++)
		if (strcmp(set->files[i]->path, path) == 0)
			return set->files[i];
	fail_msg("there is no '%s'", path);
	return NULL;
}

static void test_all_of_a_set(void **state)
{
	const Husk__ProjectedFile *f;
	Husk__PutRequest *set;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(chmod(volume.path, 01777), 0);
	volume_switch(7, 2);
	volume_file("..7/empty", "", 04755);
	volume_link("file-0", "..data/file-0");
	volume_file("beside", "no part of the set", 0644);
	assert_ok(read_it(&set, &e), &e);
	assert_string_equal(set->volume, "u_c");
	assert_string_equal(set->set, "..7");
	assert_int_equal(set->root->mode, S_IFDIR | 01777);
	assert_int_equal(set->n_files, 6);
	assert_string_equal(set->files[0]->path, "");
	assert_int_equal(set->files[0]->mode, S_IFDIR | 0755);
	f = file(set, "file-1");
	assert_int_equal(f->mode, S_IFREG | 0640);
	assert_int_equal(f->uid, geteuid());
	assert_int_equal(f->gid, getegid());
	assert_int_equal(f->data.len, 1);
	assert_memory_equal(f->data.data, "7", 1);
	assert_int_equal(file(set, "dir")->mode, S_IFDIR | 0750);
	assert_int_equal(file(set, "dir/file")->mode, S_IFREG | 0400);
	assert_int_equal(file(set, "empty")->mode, S_IFREG | 04755);
	assert_int_equal(file(set, "empty")->data.len, 0);
	husk__put_request__free_unpacked(set, NULL);
}

/* Nothing is followed: neither out of the volume nor within. */
static void test_other_layouts(void **state)
{
	static const char *const targets[] = { "/etc",        "../c2",  "..",     "..1/dir", "file",
					       "..missing/x", "..file", "..link", "..data" };
	auto_free char *shown = path_join(volume.path, "..data");
	Husk__PutRequest *set;
	struct err e = ERR_INIT;

	(void)state;
	assert_err(read_it(&set, &e), &e, ERR_UNSUPPORTED, "there is no link ..data");
	volume_dir("..1", 0755);
	volume_dir("..1/dir", 0755);
	volume_file("file", "", 0644);
	volume_file("..file", "", 0644);
	volume_link("..link", "/etc");
	for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
		volume_link("..data", targets[i]);
		assert_err(read_it(&set, &e), &e, ERR_UNSUPPORTED, "..data leads ");
		assert_null(set);
		assert_int_equal(unlink(shown), 0);
	}
	volume_dir("..data", 0755);
	assert_err(read_it(&set, &e), &e, ERR_UNSUPPORTED, "there is no link ..data");
	assert_int_equal(rmdir(shown), 0);

	volume_switch(2, 1);
	volume_link("..2/dir/out", "/etc/passwd");
	assert_err(read_it(&set, &e), &e, ERR_UNSUPPORTED, "dir: out: it is a symlink");
	volume_switch(3, 1);
	{
		auto_free char *pipe = path_join(volume.path, "..3/pipe");

		assert_int_equal(mkfifo(pipe, 0644), 0);
	}
	assert_err(read_it(&set, &e), &e, ERR_UNSUPPORTED, "pipe: it is no file");
	volume_switch(4, 1);
	volume_file("..4/\xff", "", 0644);
	assert_err(read_it(&set, &e), &e, ERR_UNSUPPORTED, "not UTF-8");
}

static void set_size(const char *name, size_t size)
{
	auto_free char *path = path_join(volume.path, name);

	assert_int_equal(truncate(path, (off_t)size), 0);
}

static void test_limits(void **state)
{
	const size_t names = strlen("large") + strlen("dir") + strlen("dir/file") + 1;
	auto_free char *deep = xstrdup("..3");
	Husk__PutRequest *set;
	struct err e = ERR_INIT;

	(void)state;
	volume_switch(1, 0);
	volume_file("..1/large", "", 0644);
	set_size("..1/large", PROJECTION_BYTES_MAX - names);
	assert_ok(read_it(&set, &e), &e);
	assert_true(husk__put_request__get_packed_size(set) < (4u << 20));
	husk__put_request__free_unpacked(set, NULL);
	set_size("..1/large", PROJECTION_BYTES_MAX - names + 1);
	assert_err(read_it(&set, &e), &e, ERR_EXHAUSTED, "more than 3 MiB");

	volume_switch(2, PROJECTION_ENTRIES_MAX - 3);
	assert_ok(read_it(&set, &e), &e);
	husk__put_request__free_unpacked(set, NULL);
	volume_file("..2/one-more", "", 0644);
	assert_err(read_it(&set, &e), &e, ERR_EXHAUSTED, "more than 1024 files");

	volume_switch(3, 0);
	for (unsigned i = 1; i <= PROJECTION_DEPTH_MAX; i++) {
		char *below = path_join(deep, "d");

		if (i == PROJECTION_DEPTH_MAX) {
			assert_ok(read_it(&set, &e), &e);
			husk__put_request__free_unpacked(set, NULL);
		}
		volume_dir(below, 0755);
		free(deep);
		deep = below;
	}
	assert_err(read_it(&set, &e), &e, ERR_EXHAUSTED, "directories in each other");
}

static void test_gone(void **state)
{
	auto_free char *shown = path_join(volume.path, "..data");
	Husk__PutRequest *set;
	struct err e = ERR_INIT;

	(void)state;
	volume_link("..data", "..1");
	assert_err(read_it(&set, &e), &e, ERR_NOT_FOUND, "'..1'");
	assert_int_equal(unlink(shown), 0);
	assert_int_equal(rmdir(volume.path), 0);
	assert_err(read_it(&set, &e), &e, ERR_NOT_FOUND, "");
}

/* ---- Meanwhile ---- */

#define FILES 20

static void *switch_often(void *arg)
{
	atomic_bool *stop = arg;

	for (unsigned number = 2; !*stop; number++)
		volume_switch(number, FILES);
	return NULL;
}

/* Of a volume that is switched all the time, and whose old sets go at once, each reading is whole. */
static void test_switched_while_it_is_read(void **state)
{
	atomic_bool stop = false;
	pthread_t thread;
	unsigned whole = 0, sets = 0;
	char last[32] = "";

	(void)state;
	volume_switch(1, FILES);
	assert_int_equal(pthread_create(&thread, NULL, switch_often, &stop), 0);
	for (int i = 0; i < 2000; i++) {
		Husk__PutRequest *set = NULL;
		struct err e = ERR_INIT;

		if (read_it(&set, &e) < 0) {
			/* It may change as often as it likes: that is said, and nothing is half. */
			assert_int_equal(e.code, ERR_STATE);
			continue;
		}
		whole++;
		sets += strcmp(set->set, last) != 0;
		(void)snprintf(last, sizeof(last), "%s", set->set);
		assert_int_equal(set->n_files, FILES + 3);
		for (size_t j = 0; j < set->n_files; j++) {
			const Husk__ProjectedFile *f = set->files[j];

			if (S_ISREG(f->mode) &&
			    (f->data.len != strlen(set->set + 2) ||
			     memcmp(f->data.data, set->set + 2, f->data.len) != 0))
				fail_msg("'%s' of '%s' has '%.*s'", f->path, set->set,
					 (int)f->data.len, (const char *)f->data.data);
		}
		husk__put_request__free_unpacked(set, NULL);
	}
	stop = true;
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_true(whole > 10);
	assert_true(sets > 5);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, volume_set_up, volume_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		CASE(test_all_of_a_set),
		CASE(test_other_layouts),
		CASE(test_limits),
		CASE(test_gone),
		CASE(test_switched_while_it_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
