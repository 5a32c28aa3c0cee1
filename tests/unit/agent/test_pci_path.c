/* SPDX-License-Identifier: Apache-2.0 */
/* PCI paths: their text, and where they lead in trees of bridges. */
#include "tests/lib/test.h"

#include "agent/device/pci_path.h"
#include "common/base/mem.h"
#include "tests/unit/agent/device_tree.h"

static void test_parse(void **state)
{
	static const struct {
		const char *text;
		unsigned root, n, last_slot, last_function;
	} good[] = {
		{ "02", 0, 1, 2, 0 },       { "2", 0, 1, 2, 0 },
		{ "02/03", 0, 2, 3, 0 },    { "1f.7", 0, 1, 0x1f, 7 },
		{ "00/1f.1", 0, 2, 31, 1 }, { "20/00/02", 0x20, 2, 2, 0 },
		{ "02/00/02", 0, 3, 2, 0 }, { "ff/01/02/03", 0xff, 3, 3, 0 },
	};
	static const char *const bad[] = {
		"",
		"/",
		"02/",
		"/02",
		"20",
		"20/00",
		"02//03",
		"02.8",
		"02.",
		"02.0.0",
		"0x2",
		"002",
		"02/20/1",
		"g",
		" 2",
		"-1",
		"02/..",
		"1/2/3/4/5/6/7/8/9/a/b/c/d/e/f/10/11",
		"00000000000000000000000000000000000000000000000000000000000000000000000000000000000",
	};
	struct pci_path p;
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		e = ERR_INIT;
		assert_ok(pci_path_parse(good[i].text, &p, &e), &e);
		assert_int_equal(p.root, good[i].root);
		assert_int_equal(p.n, good[i].n);
		assert_int_equal(p.element[p.n - 1].slot, good[i].last_slot);
		assert_int_equal(p.element[p.n - 1].function, good[i].last_function);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_err(pci_path_parse(bad[i], &p, &e), &e, ERR_INVALID, "PCI path");
}

static void test_resolve(void **state)
{
	static const struct {
		const char *tree[4]; /* directories below /sys */
		const char *path, *devpath;
		const char *why; /* it cannot be resolved */
	} cases[] = {
		{ { NULL }, "03", "/devices/pci0000:00/0000:00:03.0", NULL },
		{ { "/devices/pci0000:00/0000:00:02.0/pci_bus/0000:01" },
		  "02/03",
		  "/devices/pci0000:00/0000:00:02.0/0000:01:03.0",
		  NULL },
		/* Behind two bridges, the bus numbers the guest's own. */
		{ { "/devices/pci0000:00/0000:00:02.0/pci_bus/0000:05",
		    "/devices/pci0000:00/0000:00:02.0/0000:05:01.0/pci_bus/0000:09" },
		  "02/01/1f.3",
		  "/devices/pci0000:00/0000:00:02.0/0000:05:01.0/0000:09:1f.3",
		  NULL },
		/* Another root complex: its own first bus. */
		{ { "/devices/pci0000:20/0000:20:00.0/pci_bus/0000:21" },
		  "20/00/02",
		  "/devices/pci0000:20/0000:20:00.0/0000:21:02.0",
		  NULL },
		/* No pci_bus: the bus is that of the devices behind the bridge. */
		{ { "/devices/pci0000:00/0000:00:02.0/0000:03:00.0",
		    "/devices/pci0000:00/0000:00:02.0/0000:03:04.0",
		    "/devices/pci0000:00/0000:00:02.0/power" },
		  "02/04",
		  "/devices/pci0000:00/0000:00:02.0/0000:03:04.0",
		  NULL },
		/* Without ACPI the root is a platform device. */
		{ { "/devices/platform/4010000000.pcie/pci0000:00/0000:00:01.0/pci_bus/0000:01" },
		  "01/00",
		  "/devices/platform/4010000000.pcie/pci0000:00/0000:00:01.0/0000:01:00.0",
		  NULL },
		{ { NULL }, "02/03", NULL, "No such file" },
		{ { "/devices/pci0000:00/0000:00:02.0/pci_bus" }, "02/03", NULL, "has no bus" },
		{ { "/devices/pci0000:00/0000:00:02.0/power" }, "02/03", NULL, "has no bus" },
		{ { "/devices/pci0000:00/0000:00:02.0/pci_bus/0000:01",
		    "/devices/pci0000:00/0000:00:02.0/pci_bus/0000:02" },
		  "02/03",
		  NULL,
		  "more than one bus" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		auto_free char *devpath = NULL;
		struct device_tree t;
		struct pci_path p;
		struct err e = ERR_INIT;
		int r;

		device_tree_make(&t);
		for (size_t k = 0; k < ARRAY_LEN(cases[i].tree) && cases[i].tree[k]; k++)
			device_tree_add(&t, cases[i].tree[k]);
		assert_ok(pci_path_parse(cases[i].path, &p, &e), &e);
		r = pci_path_resolve(t.sys, &p, &devpath, &e);
		device_tree_remove(&t);
		if (cases[i].why) {
			assert_int_equal(r, -1);
			assert_non_null(strstr(e.text, cases[i].why));
		} else {
			assert_ok(r, &e);
			assert_string_equal(devpath, cases[i].devpath);
		}
	}
}

static void test_address(void **state)
{
	static const char *const bad[] = { "",
					   "0000:00:02",
					   "0000:00:02.",
					   "000:00:02.0",
					   "0000:00:02.0x",
					   "0000:00-02.0",
					   "g000:00:02.0" };
	struct err e = ERR_INIT;

	(void)state;
	assert_ok(pci_address_check("0000:00:1f.7", &e), &e);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_err(pci_address_check(bad[i], &e), &e, ERR_INVALID, "no PCI address");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_resolve),
		cmocka_unit_test(test_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
