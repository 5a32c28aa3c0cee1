/* SPDX-License-Identifier: Apache-2.0 */
/* Direct volumes: what their files say, and what becomes of them; disks of a machine that is none. */
#include "tests/lib/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/async/fiber.h"
#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "shim/storage/volume_disk.h"
#include "tests/unit/shim/fake_hv.h"

#define FULL                                                                                     \
	"{\"volume-type\":\"block\",\"device\":\"/dev/sdx\",\"fstype\":\"ext4\",\"metadata\":"   \
	"{\"fsGroup\":\"1000\",\"fsGroupChangePolicy\":\"OnRootMismatch\",\"createFilesystem\":" \
	"\"true\"},\"options\":[\"ro\",\"noatime\"]}"

static int parse(const char *text, struct direct_volume *v, struct err *e)
{
	return direct_volume_parse(text, strlen(text), v, e);
}

static void test_what_it_says(void **state)
{
	struct direct_volume v;
	struct err e = ERR_INIT;

	(void)state;
	assert_ok(parse(FULL, &v, &e), &e);
	assert_string_equal(v.device, "/dev/sdx");
	assert_string_equal(v.fstype, "ext4");
	assert_true(v.read_only && v.create_file_system && v.has_group && v.group_if_other);
	assert_int_equal(v.group, 1000);
	assert_string_equal(v.options[1], "noatime");
	direct_volume_done(&v);
	assert_ok(parse("{\"volume-type\":\"directvol\",\"device\":\"/i\",\"fstype\":\"xfs\"}", &v,
			&e),
		  &e);
	assert_false(v.read_only || v.create_file_system || v.has_group);
	direct_volume_done(&v);
}

static void test_what_cannot_be(void **state)
{
	static const struct {
		const char *text;
		enum err_code code;
		const char *part;
	} rows[] = {
		{ "{\"device\":\"/i\",\"fstype\":\"xfs\"}", ERR_INVALID, "volume-type" },
		{ "{\"volume-type\":\"spdkvol\",\"device\":\"/i\",\"fstype\":\"xfs\"}", ERR_INVALID,
		  "volume-type" },
		{ "{\"volume-type\":\"block\",\"fstype\":\"xfs\"}", ERR_INVALID, "device" },
		{ "{\"volume-type\":\"block\",\"device\":\"i\",\"fstype\":\"xfs\"}", ERR_INVALID,
		  "device" },
		{ "{\"volume-type\":\"block\",\"device\":\"/i\"}", ERR_INVALID, "fstype" },
		{ "{\"volume-type\":\"block\",\"device\":\"/i\",\"fstype\":\"xfs\",\"metadata\":{"
		  "\"fsGroup\":\"-1\"}}",
		  ERR_INVALID, "fsGroup" },
		{ "{\"volume-type\":\"block\",\"device\":\"/i\",\"fstype\":\"xfs\",\"metadata\":{"
		  "\"encryptionKey\":\"x\"}}",
		  ERR_UNSUPPORTED, "encryptionKey" },
		{ "[]", ERR_INVALID, "" },
	};
	struct direct_volume v;
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_err(parse(rows[i].text, &v, &e), &e, rows[i].code, rows[i].part);
}

static char dir[64];

static char *in_dir(const char *name, const char *text)
{
	char *path = path_join(dir, name);
	auto_free char *parent = xstrndup(path, (size_t)(path_base(path) - path));
	struct err e = ERR_INIT;
	int fd;

	assert_ok(path_mkdirs(parent, 0755, &e), &e);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0 && write_all(fd, text, strlen(text)) == 0);
	(void)close(fd);
	return path;
}

/* Names of one, two and no bytes over: printf '/a?' | base64 | tr '+/' '-_'. */
static void test_where_it_is(void **state)
{
	static const struct {
		const char *path, *name;
	} rows[] = { { "/a?", "L2E_" }, { "/ab>", "L2FiPg==" }, { "/abc~", "L2FiY34=" } };
	auto_free char *long_path = xcalloc(1, 400);
	struct direct_volume v;
	struct err e = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_free char *name = xasprintf("%s/mountInfo.json", rows[i].name);

		assert_int_equal(direct_volume_find(dir, rows[i].path, &v, &e), 0);
		free(in_dir(name, FULL));
		assert_int_equal(direct_volume_find(dir, rows[i].path, &v, &e), 1);
		direct_volume_done(&v);
	}
	memset(long_path, 'x', 399);
	assert_int_equal(direct_volume_find(dir, long_path, &v, &e), 0);
	free(in_dir("L2Q=/mountInfo.json", "{"));
	assert_err(direct_volume_find(dir, "/d", &v, &e), &e, ERR_INVALID, "L2Q=/mountInfo.json");
}

/* What huskctl does. */
static void test_add_and_remove(void **state)
{
	struct direct_volume v;
	struct err e = ERR_INIT;
	char **users = NULL;

	(void)state;
	assert_ok(direct_volume_add(dir, "/added", FULL, &e), &e);
	assert_int_equal(direct_volume_find(dir, "/added", &v, &e), 1);
	assert_string_equal(v.device, "/dev/sdx");
	direct_volume_done(&v);
	assert_err(direct_volume_add(dir, "/added", "{}", &e), &e, ERR_INVALID, "volume-type");
	assert_err(direct_volume_add(dir, "added", FULL, &e), &e, ERR_INVALID, "absolute");
	assert_err(direct_volume_add(dir, "/a/../b", FULL, &e), &e, ERR_INVALID, "absolute");
	assert_ok(direct_volume_set_user(dir, "/added", "k8s.io/one", &e), &e);
	assert_ok(direct_volume_clear_user(dir, "/added", "k8s.io/other", &e), &e);
	assert_ok(direct_volume_users(dir, "/added", &users, &e), &e);
	assert_string_equal(users[0], "k8s.io/one");
	strv_free(users);
	assert_ok(direct_volume_remove(dir, "/added", &e), &e);
	assert_err(direct_volume_remove(dir, "/added", &e), &e, ERR_NOT_FOUND, "/added");
	assert_err(direct_volume_users(dir, "/added", &users, &e), &e, ERR_NOT_FOUND, "/added");
	assert_int_equal(direct_volume_find(dir, "/added", &v, &e), 0);
}

static void mount_twice(void *arg)
{
	struct disks disks = { .hv = (struct hv *)dir };
	struct guest_request r = GUEST_REQUEST_INIT;
	auto_free char *image = in_dir("image", "content");
	struct direct_volume v;
	char *a = NULL, *b = NULL;
	struct undo u = UNDO_INIT, first = UNDO_INIT;
	struct err e = ERR_INIT;
	const struct volume_disk_params p = {
		.direct_volumes = dir,
		.sandbox = "k8s.io/s1",
		.disks = &disks,
		.d = deadline_in_ms(PATIENCE_MS),
		.u = &u,
		.r = &r,
	};
	auto_strv char **users = NULL, **later = NULL;

	(void)arg;
	assert_ok(parse(FULL, &v, &e), &e);
	free(v.device);
	v.device = xstrdup(image);
	assert_err(volume_disk_mount(&p, "/v", &v, &a, &e), &e, ERR_NOT_FOUND, "/v");
	undo_run(&u);
	assert_int_equal(fake_hv.disks, 0);
	assert_ok(direct_volume_add(dir, "/v", FULL, &e), &e);
	assert_ok(volume_disk_mount(&p, "/v", &v, &a, &e), &e);
	undo_move(&first, &u);
	assert_ok(volume_disk_mount(&p, "/v", &v, &b, &e), &e);
	assert_string_equal(volume_disk_find(&disks, "/v")->path, a);
	assert_true(volume_disk_find(&disks, "/v")->read_only);
	assert_null(volume_disk_find(&disks, "/"));
	assert_ok(direct_volume_users(dir, "/v", &users, &e), &e);
	assert_string_equal(users[0], "k8s.io/s1");
	assert_null(users[1]);
	assert_string_equal(a, "/run/kata-containers/sandbox/storage/01-00");
	assert_string_equal(a, b);
	assert_int_equal(fake_hv.disks, 1);
	assert_string_equal(fake_hv.plugged, "ro:image ro:image");
	assert_string_equal(r.storages[0]->source, "01/00");
	assert_string_equal(r.storages[0]->driver_options[0], "create_filesystem");
	assert_int_equal(r.storages[0]->fs_group->group_id, 1000);
	undo_run(&first);
	assert_non_null(volume_disk_find(&disks, "/v"));
	strv_free(take_ptr(users));
	assert_ok(direct_volume_users(dir, "/v", &users, &e), &e);
	assert_non_null(users);
	undo_run(&u);
	assert_null(volume_disk_find(&disks, "/v"));
	assert_ok(direct_volume_users(dir, "/v", &later, &e), &e);
	assert_null(later);
	assert_int_equal(fake_hv.disks, 0);
	direct_volume_done(&v);
	guest_request_done(&r);
	free(a);
	free(b);
}

static void test_a_disk_for_all(void **state)
{
	(void)state;
	memset(&fake_hv, 0, sizeof(fake_hv));
	fiber_main(mount_twice, NULL);
}

static int set_up(void **state)
{
	(void)state;
	(void)snprintf(dir, sizeof(dir), "/tmp/husk-volume-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int tear_down(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	return path_remove_tree(AT_FDCWD, dir, &e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_it_says),   cmocka_unit_test(test_what_cannot_be),
		cmocka_unit_test(test_where_it_is),    cmocka_unit_test(test_add_and_remove),
		cmocka_unit_test(test_a_disk_for_all),
	};

	return cmocka_run_group_tests_name("volumes on disks", tests, set_up, tear_down);
}
