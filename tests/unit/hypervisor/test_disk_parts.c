/* SPDX-License-Identifier: Apache-2.0 */
/* What disks are named and made of: VMDK descriptors, slots. Strings and numbers. */
#include "tests/lib/test.h"

#include <stdlib.h>

#include "hypervisor/qemu/slots.h"
#include "hypervisor/qemu/vmdk.h"

static void test_descriptor(void **state)
{
	static const struct vmdk_extent extents[] = {
		{ "/dev/fdset/1", 0, 2048 },
		{ "/dev/fdset/2", 8, 1 },
		{ "/dev/fdset/3", 16, 2 * 4194304ull + 5 },
		{ "/dev/fdset/4", 0, 4194304 },
	};
	auto_free char *text = vmdk_descriptor(extents, ARRAY_LEN(extents));

	(void)state;
	/* 12584966 sectors are 12485 cylinders and 86 sectors. */
	assert_string_equal(text, "# Disk DescriptorFile\n"
				  "version=1\n"
				  "CID=fffffffe\n"
				  "parentCID=ffffffff\n"
				  "createType=\"twoGbMaxExtentFlat\"\n"
				  "\n"
				  "# Extent description\n"
				  "RW 2048 FLAT \"/dev/fdset/1\" 0\n"
				  "RW 1 FLAT \"/dev/fdset/2\" 8\n"
				  "RW 4194304 FLAT \"/dev/fdset/3\" 16\n"
				  "RW 4194304 FLAT \"/dev/fdset/3\" 4194320\n"
				  "RW 5 FLAT \"/dev/fdset/3\" 8388624\n"
				  "RW 4194304 FLAT \"/dev/fdset/4\" 0\n"
				  "\n"
				  "# The Disk Data Base\n"
				  "#DDB\n"
				  "\n"
				  "ddb.virtualHWVersion = \"4\"\n"
				  "ddb.geometry.cylinders = \"12486\"\n"
				  "ddb.geometry.heads = \"16\"\n"
				  "ddb.geometry.sectors = \"63\"\n"
				  "ddb.adapterType = \"ide\"\n");
}

static void test_cylinders(void **state)
{
	static const struct {
		uint64_t sectors;
		const char *part;
	} cases[] = {
		{ 1, "cylinders = \"1\"" },
		{ 1008, "cylinders = \"1\"" },
		{ 1009, "cylinders = \"2\"" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct vmdk_extent x = { "f", 0, cases[i].sectors };
		auto_free char *text = vmdk_descriptor(&x, 1);

		assert_non_null(strstr(text, cases[i].part));
	}
}

static void fill(enum slot_kind kind, unsigned n, const char *text)
{
	struct slots s;
	unsigned slot, first;
	struct err e = ERR_INIT;

	slots_init(&s, kind);
	assert_ok(slots_take(&s, 0, &first, &e), &e);
	for (unsigned i = 2; i < n; i++)
		assert_ok(slots_take(&s, 1, &slot, &e), &e);
	assert_err(slots_take(&s, 1, &slot, &e), &e, ERR_EXHAUSTED, text);
	e = ERR_INIT;
	assert_ok(slots_take(&s, 0, &slot, &e), &e);
	assert_err(slots_take(&s, 0, &slot, &e), &e, ERR_EXHAUSTED, text);
	slots_release(&s, first);
	e = ERR_INIT;
	assert_ok(slots_take(&s, 0, &slot, &e), &e);
	assert_int_equal(slot, first);
}

static void test_slots_run_out(void **state)
{
	(void)state;
	fill(SLOT_PORT, SLOT_PORTS, "every PCIe root port of the machine is taken");
	fill(SLOT_CHANNEL, SLOTS_MAX, "every channel device number");
	fill(SLOT_UNIT, SLOTS_MAX, "every SCSI unit");
}

/* What was released is the last to be taken again. */
static void test_slots_in_turn(void **state)
{
	struct slots s;
	struct err e = ERR_INIT;
	unsigned slot;

	(void)state;
	slots_init(&s, SLOT_PORT);
	for (unsigned i = 0; i < 3 * SLOT_PORTS; i++) {
		assert_ok(slots_take(&s, 0, &slot, &e), &e);
		assert_int_equal(slot, i % SLOT_PORTS);
		slots_release(&s, slot);
	}
	assert_int_equal(s.n_used, 0);
}

static void test_places(void **state)
{
	struct slots s;
	struct slot_place p;

	(void)state;
	slots_init(&s, SLOT_PORT);
	p = slot_place(&s, 7);
	assert_string_equal(p.bus, "port7");
	assert_string_equal(p.address, "09/00");
	assert_string_equal(p.devno, "");
	assert_string_equal(p.lun, "");
	slots_init(&s, SLOT_CHANNEL);
	p = slot_place(&s, 0xab);
	assert_string_equal(p.devno, "fe.0.10ab");
	assert_string_equal(p.address, "0.0.10ab");
	assert_string_equal(p.bus, "");
	slots_init(&s, SLOT_UNIT);
	p = slot_place(&s, 515);
	assert_string_equal(p.bus, "scsi.0");
	assert_string_equal(p.scsi_id, "2");
	assert_string_equal(p.lun, "3");
	assert_string_equal(p.address, "2:3");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_descriptor),    cmocka_unit_test(test_cylinders),
		cmocka_unit_test(test_slots_run_out), cmocka_unit_test(test_slots_in_turn),
		cmocka_unit_test(test_places),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
