/* SPDX-License-Identifier: Apache-2.0 */
/* Functions that are passed through, on a tree of the test's own: taken by vfio-pci, of one group. */
#include "tests/lib/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "agent/device/passthrough.h"
#include "agent/device/watch.h"
#include "common/async/fiber.h"
#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "tests/unit/agent/device_tree.h"

#define TIMEOUT_MS 60 /* for what does not come */
#define LATER_MS   10
#define DEVICES    "/devices/pci0000:00"
#define OPTIONS    3

/* Functions of the guest: which group each is in, and whether a driver has it. */
static const struct function {
	const char *address, *group;
	bool driver;
} functions[] = {
	{ "0000:00:05.0", "12", true },
	{ "0000:00:05.1", "12", false },
	{ "0000:00:06.0", "13", true },
};

static void make_file(const char *dir, const char *name)
{
	auto_free char *path = path_join(dir, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	(void)close(fd);
}

static void add_function(const struct device_tree *t, const struct function *f)
{
	auto_free char *devpath = xasprintf(DEVICES "/%s", f->address);
	auto_free char *dir = xasprintf("%s%s", t->sys, devpath);
	auto_free char *link = xasprintf("%s/bus/pci/devices/%s", t->sys, f->address);
	auto_free char *target = xasprintf("../../..%s", devpath);
	auto_free char *group = xasprintf("../../../kernel/iommu_groups/%s", f->group);
	auto_free char *group_link = path_join(dir, "iommu_group");

	device_tree_add(t, devpath);
	make_file(dir, "driver_override");
	assert_int_equal(symlink(target, link), 0);
	assert_int_equal(symlink(group, group_link), 0);
	if (f->driver) {
		auto_free char *driver = xasprintf("%s/driver", devpath);
		auto_free char *driver_dir = path_join(dir, "driver");

		device_tree_add(t, driver);
		make_file(driver_dir, "unbind");
	}
}

static void make_tree(struct device_tree *t)
{
	auto_free char *bus = NULL;

	device_tree_make(t);
	bus = path_join(t->sys, "bus/pci");
	device_tree_add(t, "/bus/pci/devices");
	make_file(bus, "drivers_probe");
	for (size_t i = 0; i < ARRAY_LEN(functions); i++)
		add_function(t, &functions[i]);
}

static void assert_file(const struct device_tree *t, const char *below, const char *want)
{
	auto_free char *path = xasprintf("%s%s", t->sys, below);
	auto_free char *text = NULL;
	struct err e = ERR_INIT;

	assert_ok(file_read(AT_FDCWD, path, 1000, &text, NULL, &e), &e);
	assert_string_equal(text, want);
}

static void group_appears(void *arg)
{
	const struct device_tree *t = arg;
	auto_free char *dir = path_join(t->dev, "vfio");
	struct err e = ERR_INIT;

	assert_ok(fiber_sleep_ms(LATER_MS, &e), &e);
	device_tree_add(t, "/devices/virtual/vfio/12");
	assert_ok(path_mkdirs(dir, 0755, &e), &e);
	make_file(dir, "12");
}

/* Both functions of a card, of which the guest's kernel has a driver for one. */
static void takes_a_card(void *arg)
{
	char *const options[] = { (char *)(uintptr_t) "0000:3b:00.0=05.0",
				  (char *)(uintptr_t) "0000:3b:00.1=05.1" };
	struct fiber_group g = FIBER_GROUP_INIT;
	auto_free char *node = NULL;
	auto_free char *want = NULL;
	struct device_watch *w;
	struct device_tree t;
	struct err e = ERR_INIT;
	char **map = NULL;

	(void)arg;
	make_tree(&t);
	w = device_watch_new(t.sys, t.dev, PATIENCE_MS);
	fiber_group_start(&g, "kernel", group_appears, &t);
	assert_ok(passthrough_to_container(w, options, ARRAY_LEN(options), &map, &node, &e), &e);
	fiber_group_wait(&g);
	want = path_join(t.dev, "vfio/12");
	assert_string_equal(node, want);
	assert_string_equal(map[0], "0000:3b:00.0=0000:00:05.0");
	assert_string_equal(map[1], "0000:3b:00.1=0000:00:05.1");
	assert_null(map[2]);
	assert_file(&t, DEVICES "/0000:00:05.0/driver_override", "vfio-pci");
	assert_file(&t, DEVICES "/0000:00:05.1/driver_override", "vfio-pci");
	assert_file(&t, DEVICES "/0000:00:05.0/driver/unbind", "0000:00:05.0");
	assert_file(&t, "/bus/pci/drivers_probe", "0000:00:05.1");
	assert_file(&t, DEVICES "/0000:00:06.0/driver_override", "");
	strv_free(map);
	device_watch_free(w);
	device_tree_remove(&t);
}

static void test_takes_a_card(void **state)
{
	(void)state;
	fiber_main(takes_a_card, NULL);
}

/* The guest's own driver keeps it; an option without a path is passed over. */
static void leaves_it_to_the_guest(void *arg)
{
	char *const options[] = { (char *)(uintptr_t) "0000:3b:00.0=",
				  (char *)(uintptr_t) "0000:3b:00.1=06" };
	struct device_watch *w;
	struct device_tree t;
	struct err e = ERR_INIT;
	char **map = NULL;

	(void)arg;
	make_tree(&t);
	w = device_watch_new(t.sys, t.dev, PATIENCE_MS);
	assert_ok(passthrough_to_guest(w, options, ARRAY_LEN(options), &map, &e), &e);
	assert_string_equal(map[0], "0000:3b:00.1=0000:00:06.0");
	assert_null(map[1]);
	assert_file(&t, DEVICES "/0000:00:06.0/driver_override", "");
	strv_free(map);
	device_watch_free(w);
	device_tree_remove(&t);
}

static void test_leaves_it_to_the_guest(void **state)
{
	(void)state;
	fiber_main(leaves_it_to_the_guest, NULL);
}

static void refuses(void *arg)
{
	static const struct {
		const char *option[OPTIONS];
		enum err_code code;
		const char *text;
	} rows[] = {
		{ { "0000:3b:00.0=05.0", "0000:3b:00.1=06" }, ERR_INVALID, "of IOMMU group 13" },
		{ { "0000:3b:00.0=" }, ERR_INVALID, "none of its functions" },
		{ { NULL }, ERR_INVALID, "none of its functions" },
		{ { "0000:3b:00.0" }, ERR_INVALID, "address=path" },
		{ { "3b:00.0=05.0" }, ERR_INVALID, "3b:00.0" },
		{ { "../../..=05.0" }, ERR_INVALID, "../../.." },
		{ { "0000:3b:00.0=../05" }, ERR_INVALID, ".." },
		{ { "0000:3b:00.0=1e" }, ERR_TIMEOUT, "1e" },
		/* Taken, but the kernel makes no group of it. */
		{ { "0000:3b:00.0=05.0" }, ERR_TIMEOUT, "12" },
	};

	(void)arg;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_free char *node = NULL;
		struct device_watch *w;
		struct device_tree t;
		struct err e = ERR_INIT;
		char **map = NULL;
		size_t n = 0;

		while (n < OPTIONS && rows[i].option[n])
			n++;
		make_tree(&t);
		w = device_watch_new(t.sys, t.dev,
				     rows[i].code == ERR_TIMEOUT ? TIMEOUT_MS : PATIENCE_MS);
		assert_err(passthrough_to_container(w, (char *const *)(uintptr_t)rows[i].option, n,
						    &map, &node, &e),
			   &e, rows[i].code, rows[i].text);
		assert_null(node);
		strv_free(map);
		device_watch_free(w);
		device_tree_remove(&t);
	}
}

static void test_refuses(void **state)
{
	(void)state;
	fiber_main(refuses, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_takes_a_card),
		cmocka_unit_test(test_leaves_it_to_the_guest),
		cmocka_unit_test(test_refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
