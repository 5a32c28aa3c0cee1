/* SPDX-License-Identifier: Apache-2.0 */
/* Processors and memory for a running QEMU: whatever fails, and whenever, nothing of it stays. */
#include "tests/lib/test.h"

#include "common/async/fiber.h"
#include "common/base/mem.h"
#include "hypervisor/size.h"
#include "tests/unit/hypervisor/hotplug_case.h"

static int add_vcpus(uint32_t n, int64_t ms, struct err *e)
{
	*e = ERR_INIT;
	return hv_add_vcpus(&f.hv, n, deadline_in_ms(ms), e);
}

static int add_memory(uint64_t mib, int64_t ms, struct err *e)
{
	*e = ERR_INIT;
	return hv_add_memory(&f.hv, mib, deadline_in_ms(ms), e);
}

static void grows(void *arg)
{
	struct err e;

	(void)arg;
	begin("q35", "virtio-blk");
	f.qemu.memory_shared = true;
	assert_ok(add_vcpus(2, DAY_MS, &e), &e);
	assert_int_equal(hv_vcpus(&f.hv), 3);
	assert_string_equal(f.log.data, "query-hotpluggable-cpus ; device_add cpu1; "
					"query-hotpluggable-cpus ; device_add cpu2; ");
	assert_string_equal(f.devices.row[0].bus, "c1"); /* the first free place, not the last */
	fake_qemu_log_clear(&f);
	assert_ok(add_memory(256, DAY_MS, &e), &e);
	assert_int_equal(hv_memory_mib(&f.hv), 512);
	assert_string_equal(f.log.data, "object-add memory3; device_add dimm3; ");
	assert_null(f.qemu.arriving);
	fake_qemu_stop(&f);
}

/* Of each command in turn; what was there before stays. */
static void fail_each(void *arg)
{
	struct err e;

	(void)arg;
	begin("q35", "virtio-blk");
	for (int n = 1; n <= 4; n++) {
		fake_qemu_log_clear(&f);
		f.refuse_from = f.refuse_to = n;
		assert_int_equal(add_vcpus(2, DAY_MS, &e), -1);
		if (!strstr(e.text, "add 2 CPUs to the VM: QMP "))
			fail_msg("%d: '%s'", n, e.text);
		assert_nothing("CPU", n);
	}
	for (int n = 1; n <= 2; n++) {
		fake_qemu_log_clear(&f);
		f.refuse_from = f.refuse_to = n;
		assert_int_equal(add_memory(128, DAY_MS, &e), -1);
		assert_non_null(strstr(e.text, "add 128 MiB to the VM: QMP "));
		assert_nothing("memory", n);
	}
	assert_int_equal(hv_vcpus(&f.hv), 1);
	assert_int_equal(hv_memory_mib(&f.hv), 256);
	assert_int_equal(f.hv.spec.size.memory_slots, 2);
	fake_qemu_stop(&f);
}

/* Done, but nobody said so: it is taken back all the same. */
static void no_answer(void *arg)
{
	static const char *const commands[] = { "object-add", "device_add" };
	struct err e;

	(void)arg;
	begin("q35", "virtio-blk");
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		f.silent = commands[i];
		assert_err(add_memory(128, GIVES_UP_MS, &e), &e, ERR_TIMEOUT, commands[i]);
		assert_nothing(commands[i], 0);
	}
	assert_err(add_vcpus(1, GIVES_UP_MS, &e), &e, ERR_TIMEOUT, "device_add");
	assert_nothing("CPU", 0);
	fake_qemu_stop(&f);
}

/* QEMU has it, the guest's kernel does not want it, or does not look. */
static void guest_cannot(void *arg)
{
	struct err e;

	(void)arg;
	begin("q35", "virtio-blk");
	f.ost = 0x81; /* the driver failed */
	assert_err(add_memory(128, DAY_MS, &e), &e, ERR_STATE, "ACPI status 0x81");
	assert_nothing("refused memory", 0);
	assert_err(add_vcpus(2, DAY_MS, &e), &e, ERR_STATE, "the guest's kernel refuses");
	assert_nothing("refused CPU", 0);
	f.ost = 0x80; /* in progress: no end of it */
	assert_err(add_vcpus(1, GIVES_UP_MS, &e), &e, ERR_TIMEOUT, "wait for the guest's kernel");
	assert_nothing("CPU that never arrives", 0);
	f.ignores = true;
	assert_err(add_memory(128, GIVES_UP_MS, &e), &e, ERR_TIMEOUT,
		   "wait for the guest's kernel");
	assert_nothing("memory that nobody sees", 0);
	assert_null(f.qemu.arriving);
	fake_qemu_stop(&f);
}

/* ... and one that does not give it back either keeps it; the next one is another. */
static void guest_keeps(void *arg)
{
	struct err e;

	(void)arg;
	begin("q35", "virtio-blk");
	f.ignores = true;
	f.guest = GUEST_REFUSES;
	assert_err(add_memory(128, GIVES_UP_MS, &e), &e, ERR_TIMEOUT, "");
	assert_int_equal(f.devices.n, 1);
	assert_int_equal(hv_memory_mib(&f.hv), 256);
	f.ignores = false;
	assert_ok(add_memory(128, DAY_MS, &e), &e);
	assert_int_equal(f.devices.n, 2);
	fake_qemu_stop(&f);
}

static void limits(void *arg)
{
	struct err e;

	(void)arg;
	begin("q35", "virtio-blk");
	assert_err(add_vcpus(4, DAY_MS, &e), &e, ERR_EXHAUSTED, "default_maxvcpus");
	assert_err(add_memory(769, DAY_MS, &e), &e, ERR_EXHAUSTED, "default_maxmemory");
	assert_ok(add_memory(128, DAY_MS, &e), &e);
	assert_ok(add_memory(128, DAY_MS, &e), &e);
	assert_err(add_memory(128, DAY_MS, &e), &e, ERR_EXHAUSTED, "memory_slots");
	f.hv.spec.size.max_vcpus = 8; /* the machine has places for four */
	assert_err(add_vcpus(4, DAY_MS, &e), &e, ERR_EXHAUSTED, "no place");
	assert_int_equal(f.devices.n, 2); /* the three that did fit were taken back */
	f.hv.ops = &hv_fake_ops;
	assert_err(add_vcpus(1, DAY_MS, &e), &e, ERR_UNSUPPORTED, "fake");
	f.hv.ops = &hv_qemu_ops;
	fake_qemu_stop(&f);
}

static void cancelled_call(void *arg)
{
	struct err e;

	(void)arg;
	assert_err(add_memory(128, DAY_MS, &e), &e, ERR_CANCELLED, "");
}

static void cancelled(void *arg)
{
	struct fiber_group group = FIBER_GROUP_INIT;

	(void)arg;
	begin("q35", "virtio-blk");
	f.ignores = true;
	fiber_group_start(&group, "grow", cancelled_call, NULL);
	while (!strstr(f.log.data, "device_add"))
		fiber_yield();
	fiber_group_cancel(&group);
	fiber_group_wait(&group);
	assert_nothing("cancelled", 0);
	fake_qemu_stop(&f);
}

IN_FIBER(grows)
IN_FIBER(fail_each)
IN_FIBER(no_answer)
IN_FIBER(guest_cannot)
IN_FIBER(guest_keeps)
IN_FIBER(limits)
IN_FIBER(cancelled)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_grows),       cmocka_unit_test(test_fail_each),
		cmocka_unit_test(test_no_answer),   cmocka_unit_test(test_guest_cannot),
		cmocka_unit_test(test_guest_keeps), cmocka_unit_test(test_limits),
		cmocka_unit_test(test_cancelled),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
