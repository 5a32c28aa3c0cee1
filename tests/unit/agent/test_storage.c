/* SPDX-License-Identifier: Apache-2.0 */
/* The storage table: users, order of release, a driver that fails. With drivers of the test's own. */
#include "tests/lib/test.h"

#include <stdio.h>

#include "agent/mount/mount.h"
#include "agent/storage/layers.h"
#include "agent/storage/storage.h"
#include "common/async/fiber.h"
#include "common/base/mem.h"

/* What the table asked for, and how many mounts to refuse. */
static struct {
	char log[256];
	int refuse;
	bool slow;
	bool ok;
} t;

static int reset(void **state)
{
	(void)state;
	memset(&t, 0, sizeof(t));
	return 0;
}

static void note(char what, const char *where)
{
	size_t used = strlen(t.log);

	(void)snprintf(t.log + used, sizeof(t.log) - used, "%c%s ", what, where);
}

static int mount_test(const Grpc__Storage *s, const struct mount_point *at,
		      const struct storage_user *user, struct undo *teardown, struct err *e)
{
	(void)s;
	(void)user;
	(void)teardown;
	if (t.slow && fiber_sleep_ms(10, e) < 0)
		return -1;
	if (t.refuse > 0) {
		t.refuse--;
		return err_set(e, ERR_INTERNAL, "refused");
	}
	note('+', at->path);
	return 0;
}

static const struct storage_driver plain = { .name = "plain", .mount = mount_test };
static const struct storage_driver kept = { .name = "kept", .keep = true, .mount = mount_test };
const struct storage_driver *const storage_drivers[] = { &plain, &kept };
const size_t storage_n_drivers = ARRAY_LEN(storage_drivers);

/* In the place of agent/mount/mount.c. */
int mount_remove(const struct mount_point *at, struct err *e)
{
	(void)e;
	note('-', at->path);
	return 0;
}

/* In the place of agent/storage/layers.c. */
int layers_target(Grpc__Storage *const *member, size_t n, const char **ret, struct err *e)
{
	(void)n;
	(void)e;
	*ret = member[0]->mount_point;
	return 0;
}

static void unmount_layers(void *arg)
{
	(void)arg;
	note('-', "layers");
}

int layers_mount(Grpc__Storage *const *member, size_t n, const struct mount_point *at,
		 const struct storage_user *user, struct undo *teardown, struct err *e)
{
	(void)member;
	(void)n;
	(void)user;
	note('+', "layers");
	undo_push(teardown, "layers", unmount_layers, NULL);
	if (t.refuse > 0) {
		t.refuse--;
		return err_set(e, ERR_INTERNAL, "refused");
	}
	note('+', at->path);
	return 0;
}

static int add(struct storage_table *table, const char *driver, const char *where, bool shared,
	       struct err *e)
{
	const struct storage_user user = { .run_dir = "/run" };
	auto_free char *mount_point = NULL;
	Grpc__Storage s;

	grpc__storage__init(&s);
	s.driver = (char *)(uintptr_t)driver;
	s.mount_point = (char *)(uintptr_t)where;
	s.shared = shared;
	return storage_add(table, &s, &user, &mount_point, e);
}

static void counting(void *arg)
{
	struct storage_table table = { .first = NULL };
	struct err e = ERR_INIT;

	(void)arg;
	t.ok = add(&table, "plain", "/none/a", false, &e) == 0 &&
	       add(&table, "plain", "/none/a/", false, &e) == 0;
	storage_release(&table, "/none/a");
	storage_release(&table, "/none/unknown");
	note('1', "");
	storage_release(&table, "/none/a");
	storage_release(&table, "/none/a");
	t.ok = t.ok && !table.first;
}

static void test_counting(void **state)
{
	(void)state;
	fiber_main(counting, NULL);
	assert_string_equal(t.log, "+/none/a 1 -/none/a ");
	assert_true(t.ok);
}

/* What is shared, or holds data of the pod, stays when nobody uses it, and is found again. */
static void keeping(void *arg)
{
	struct storage_table table = { .first = NULL };
	struct err e = ERR_INIT;

	(void)arg;
	t.ok = add(&table, "plain", "/none/a", true, &e) == 0 &&
	       add(&table, "kept", "/none/b", false, &e) == 0 &&
	       add(&table, "plain", "/none/c", false, &e) == 0;
	storage_release(&table, "/none/a");
	storage_release(&table, "/none/b");
	t.ok = t.ok && add(&table, "kept", "/none/b", false, &e) == 0;
	storage_release_all(&table);
	t.ok = t.ok && !table.first;
}

static void test_keeping(void **state)
{
	(void)state;
	fiber_main(keeping, NULL);
	assert_string_equal(t.log, "+/none/a +/none/b +/none/c -/none/c -/none/b -/none/a ");
	assert_true(t.ok);
}

static void failing(void *arg)
{
	struct storage_table table = { .first = NULL };
	struct err e = ERR_INIT;

	(void)arg;
	t.refuse = 1;
	t.ok = add(&table, "plain", "/none/a", false, &e) < 0 && !table.first &&
	       strcmp(e.text, "plain storage at '/none/a': refused") == 0;
	e = ERR_INIT;
	t.ok = t.ok && add(&table, "plain", "/none/a", false, &e) == 0;
	storage_release_all(&table);
}

static void test_failing(void **state)
{
	(void)state;
	fiber_main(failing, NULL);
	assert_true(t.ok);
}

struct adder {
	struct storage_table *table;
	int r;
};

static void add_one(void *arg)
{
	struct adder *a = arg;
	struct err e = ERR_INIT;

	a->r = add(a->table, "plain", "/none/a", false, &e);
}

/* Two at once: one mounts, the other waits for it; if the first fails the second tries itself. */
static void at_once(void *arg)
{
	struct storage_table table = { .first = NULL };
	struct adder a = { .table = &table, .r = 1 };
	struct adder b = { .table = &table, .r = 1 };
	struct fiber_group g = FIBER_GROUP_INIT;

	(void)arg;
	t.slow = true;
	fiber_group_start(&g, "a", add_one, &a);
	fiber_group_start(&g, "b", add_one, &b);
	fiber_group_wait(&g);
	t.ok = a.r == 0 && b.r == 0;
	storage_release(&table, "/none/a");
	note('1', "");
	storage_release(&table, "/none/a");
	t.ok = t.ok && !table.first;

	t.refuse = 1;
	fiber_group_start(&g, "a", add_one, &a);
	fiber_group_start(&g, "b", add_one, &b);
	fiber_group_wait(&g);
	t.ok = t.ok && a.r + b.r == -1;
	storage_release(&table, "/none/a");
	t.ok = t.ok && !table.first;
}

static void test_at_once(void **state)
{
	(void)state;
	fiber_main(at_once, NULL);
	assert_string_equal(t.log, "+/none/a 1 -/none/a +/none/a -/none/a ");
	assert_true(t.ok);
}

/* What they acquired goes after the unmount, and after a failure. */
static void layers(void *arg)
{
	const struct storage_user user = { .run_dir = "/run", .container_id = "c" };
	struct storage_table table = { .first = NULL };
	auto_free char *first = NULL;
	auto_free char *mount_point = NULL;
	Grpc__Storage *member[1];
	Grpc__Storage s;
	struct err e = ERR_INIT;

	(void)arg;
	grpc__storage__init(&s);
	s.mount_point = (char *)(uintptr_t) "/none/root";
	member[0] = &s;
	t.refuse = 1;
	t.ok = storage_add_layers(&table, member, 1, &user, &first, &e) < 0 && !table.first &&
	       storage_add_layers(&table, member, 1, &user, &mount_point, &e) == 0;
	storage_release(&table, mount_point);
	t.ok = t.ok && !table.first;
}

static void test_layers(void **state)
{
	(void)state;
	fiber_main(layers, NULL);
	assert_string_equal(t.log, "+layers -layers +layers +/none/root -/none/root -layers ");
	assert_true(t.ok);
}

static void refused(void *arg)
{
	static const char *const bad[] = { "", "/", "relative", "/a/../b", "/a//b", "/a/./b" };
	struct storage_table table = { .first = NULL };
	struct err unknown = ERR_INIT;

	(void)arg;
	t.ok = true;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err e = ERR_INIT;

		t.ok = t.ok && add(&table, "plain", bad[i], false, &e) < 0 && e.code == ERR_INVALID;
	}
	t.ok = t.ok && add(&table, "9p", "/none/a", false, &unknown) < 0 &&
	       strcmp(unknown.text, "there is no storage driver '9p'") == 0;
}

static void test_refused(void **state)
{
	(void)state;
	fiber_main(refused, NULL);
	assert_true(t.ok);
	assert_string_equal(t.log, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_counting, reset),
		cmocka_unit_test_setup(test_keeping, reset),
		cmocka_unit_test_setup(test_failing, reset),
		cmocka_unit_test_setup(test_at_once, reset),
		cmocka_unit_test_setup(test_layers, reset),
		cmocka_unit_test_setup(test_refused, reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
