/* SPDX-License-Identifier: Apache-2.0 */
/* Devices leave a running QEMU, whatever its guest does; and what no driver can do. */
#include "tests/lib/test.h"

#include "common/async/fiber.h"
#include "tests/unit/hypervisor/hotplug_case.h"

static void one_of_each(void *arg)
{
	const char *const *machine = arg;
	struct hv_device *dev;
	struct err e;

	begin(machine[0], machine[1]);
	dev = plugged(FILES);
	assert_string_equal(hv_device_driver(dev), machine[2]);
	assert_string_equal(hv_device_address(dev), machine[3]);
	fake_qemu_log_clear(&f);
	assert_ok(unplug(dev, DAY_MS, &e), &e);
	assert_string_equal(f.log.data, machine[4]);
	fake_qemu_stop(&f);
}

static void test_unplug(void **state)
{
	static const char *const cases[][5] = {
		{ "q35", "virtio-blk", "blk", "02/00",
		  "device_del disk1; blockdev-del node1; remove-fd 5; remove-fd 4; remove-fd 3; "
		  "remove-fd 2; " },
		{ "q35", "virtio-scsi", "scsi", "0:0",
		  "device_del disk1; blockdev-del node1; remove-fd 5; remove-fd 4; remove-fd 3; "
		  "remove-fd 2; " },
		{ "s390-ccw-virtio", "virtio-blk", "blk-ccw", "0.0.1000",
		  "device_del disk1; blockdev-del node1; remove-fd 5; remove-fd 4; remove-fd 3; "
		  "remove-fd 2; " },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		fiber_main(one_of_each, (void *)(uintptr_t)cases[i]);
}

static void unwilling(void *arg)
{
	struct hv_device *dev;
	struct err e;
	int64_t took = INSTANTLY;

	(void)arg;
	begin("q35", "virtio-blk");
	dev = plugged(1);
	f.guest = GUEST_SLEEPS;
	assert_err(unplug(dev, GIVES_UP_MS, &e), &e, ERR_TIMEOUT,
		   "unplug blk 02/00: wait for the guest to release the device");
	/* "Already in the process of unplug" is no reason to give up. */
	f.refuse_from = f.refuse_to = f.asked + 1;
	assert_err(unplug(dev, GIVES_UP_MS, &e), &e, ERR_TIMEOUT, "wait for the guest");
	f.guest = GUEST_REFUSES;
	for (int i = 0; i < MEASUREMENTS && took >= INSTANTLY; i++) {
		int64_t begun = clock_now_ms();

		assert_err(unplug(dev, DAY_MS, &e), &e, ERR_STATE, "the guest refuses");
		took = clock_now_ms() - begun;
	}
	assert_true(took < INSTANTLY);
	assert_int_equal(f.qemu.slots.n_used, 1);
	assert_int_equal(f.nodes.n, 1);
	f.guest = GUEST_RELEASES;
	assert_ok(unplug(dev, DAY_MS, &e), &e);
	assert_nothing("at last", 0);
	fake_qemu_stop(&f);
}

static void test_unwilling_guest(void **state)
{
	(void)state;
	fiber_main(unwilling, NULL);
}

/* The number of a channel device goes back whatever happens, once. */
static void unwilling_channel(void *arg)
{
	struct hv_device *dev;
	struct err e;

	(void)arg;
	begin("s390-ccw-virtio", "virtio-blk");
	dev = plugged(1);
	f.guest = GUEST_SLEEPS;
	assert_err(unplug(dev, GIVES_UP_MS, &e), &e, ERR_TIMEOUT, "wait for the guest");
	assert_int_equal(f.qemu.slots.n_used, 0);
	f.guest = GUEST_RELEASES;
	assert_ok(unplug(dev, DAY_MS, &e), &e);
	assert_nothing("channel", 0);
	fake_qemu_stop(&f);
}

static void test_channel_is_released(void **state)
{
	(void)state;
	fiber_main(unwilling_channel, NULL);
}

/* The first, second … command of an unplugging refused; a second try succeeds. */
static void unplug_fails(void *arg)
{
	(void)arg;
	begin("q35", "virtio-blk");
	for (int n = 1; n <= 3; n++) {
		struct hv_device *dev = plugged(1);
		size_t left = n == 2; /* the node that QEMU would not let go of */
		struct err e;

		fake_qemu_log_clear(&f);
		f.refuse_from = f.refuse_to = n;
		assert_err(unplug(dev, DAY_MS, &e), &e, ERR_INTERNAL, "refused");
		f.refuse_from = f.refuse_to = 0;
		assert_int_equal(f.asked, n == 1 ? 1 : 3); /* the rest is tried */
		assert_int_equal(f.qemu.slots.n_used, n == 1);
		assert_ok(unplug(dev, DAY_MS, &e), &e);
		assert_int_equal(f.qemu.slots.n_used, 0);
		assert_int_equal(f.nodes.n, left);
		assert_int_equal(f.sets.n, n == 3);
		f.nodes.n = 0;
	}
	fake_qemu_stop(&f);
}

static void test_unplug_fails(void **state)
{
	(void)state;
	fiber_main(unplug_fails, NULL);
}

/* What fails first is told. */
static void unplug_fails_twice(void *arg)
{
	struct hv_device *dev;
	struct err e;

	(void)arg;
	begin("q35", "virtio-blk");
	dev = plugged(1);
	fake_qemu_log_clear(&f);
	f.refuse_from = 2;
	f.refuse_to = 3;
	assert_err(unplug(dev, DAY_MS, &e), &e, ERR_INTERNAL, "blockdev-del: refused 2");
	assert_int_equal(f.qemu.slots.n_used, 0);
	fake_qemu_stop(&f);
}

static void test_first_error(void **state)
{
	(void)state;
	fiber_main(unplug_fails_twice, NULL);
}

static void unplug_soon(void *dev)
{
	struct err e;

	assert_ok(unplug(dev, DAY_MS, &e), &e);
}

static void unplug_later(void *dev)
{
	struct err e;

	assert_err(unplug(dev, GIVES_UP_MS, &e), &e, ERR_TIMEOUT, "wait for the guest");
}

/* Each event is for the device that it names. */
static void side_by_side(void *arg)
{
	struct fiber_group group = FIBER_GROUP_INIT;
	struct hv_device *first, *second;

	(void)arg;
	begin("q35", "virtio-blk");
	first = plugged(1);
	second = plugged(1);
	fake_qemu_log_clear(&f);
	fiber_group_start(&group, "unplug", unplug_soon, first);
	while (f.asked == 0) /* the guest takes a moment to release it */
		fiber_yield();
	f.guest = GUEST_SLEEPS;
	fiber_group_start(&group, "unplug", unplug_later, second);
	fiber_group_wait(&group);
	assert_int_equal(f.devices.n, 1);
	fake_qemu_stop(&f);
}

static void test_side_by_side(void **state)
{
	(void)state;
	fiber_main(side_by_side, NULL);
}

/* A guest may throw its devices out without having been asked. */
static void thrown_out(void *arg)
{
	struct hv_device *dev;
	struct err e;

	(void)arg;
	begin("q35", "virtio-blk");
	dev = plugged(1);
	f.devices.n = 0;
	assert_ok(unplug(dev, DAY_MS, &e), &e);
	assert_nothing("thrown out", 0);
	fake_qemu_stop(&f);
}

static void test_thrown_out(void **state)
{
	(void)state;
	fiber_main(thrown_out, NULL);
}

/* ---- Death ---- */

static void unplug_dead(void *arg)
{
	struct err e;

	assert_ok(unplug(arg, DAY_MS, &e), &e);
}

static void death(void *arg)
{
	struct fiber_group group = FIBER_GROUP_INIT;
	struct hv_device *waiting, *other, *third;
	struct err e;

	(void)arg;
	begin("q35", "virtio-blk");
	waiting = plugged(1);
	other = plugged(1);
	third = plugged(1);
	f.guest = GUEST_SLEEPS;
	fiber_group_start(&group, "unplug", unplug_dead, waiting);
	while (!waiting->unplugging)
		fiber_yield();
	assert_err(unplug(waiting, DAY_MS, &e), &e, ERR_STATE, "already");
	hv_note_death(&f.hv, ERR_UNAVAILABLE, "qemu was killed");
	fake_qemu_close(&f);
	fiber_group_wait(&group);
	unplug_dead(other);
	assert_int_equal(plug(1, &other, &e), -1);
	assert_int_equal(e.code, ERR_UNAVAILABLE);
	assert_non_null(strstr(e.text, "qemu was killed"));
	/* The driver's part is gone, the handle is not. */
	f.hv.driver = NULL;
	unplug_dead(third);
	f.hv.driver = &f.qemu;
	fake_qemu_stop(&f);
}

static void test_death(void **state)
{
	(void)state;
	fiber_main(death, NULL);
}

/* The monitor is lost, but the machine lives: its disk is still in it. */
static void lost_monitor(void *arg)
{
	struct hv_device *dev;
	struct err e;

	(void)arg;
	begin("q35", "virtio-blk");
	dev = plugged(1);
	fake_qemu_close(&f);
	assert_err(unplug(dev, DAY_MS, &e), &e, ERR_UNAVAILABLE, "closed its monitor");
	fake_qemu_stop(&f);
}

static void test_lost_monitor(void **state)
{
	(void)state;
	fiber_main(lost_monitor, NULL);
}

/* ---- What no driver does ---- */

static void refused(void *arg)
{
	struct hv_device card = { .kind = HV_DEVICE_VFIO, .driver = "vfio" };
	struct hv_disk writable = { .extents = files, .n_extents = 2 };
	struct hv_disk shared = { .extents = files, .n_extents = 1, .shared = true };
	struct hv_disk part = { .extents = &(struct hv_extent){ files[0].fd, "a", 512, 512 },
				.n_extents = 1 };
	struct hv_device *dev;
	struct err e = ERR_INIT;

	(void)arg;
	begin("q35", "virtio-blk");
	assert_err(unplug(&card, DAY_MS, &e), &e, ERR_UNSUPPORTED,
		   "hot-unplug of VFIO devices is not supported");
	card.kind = HV_DEVICE_VHOST_USER;
	assert_err(unplug(&card, DAY_MS, &e), &e, ERR_UNSUPPORTED,
		   "hot-unplug of vhost-user devices is not supported");
	e = ERR_INIT;
	assert_err(hv_plug_disk(&f.hv, &writable, DEADLINE_NEVER, &dev, &e), &e, ERR_INVALID,
		   "must be read-only");
	e = ERR_INIT;
	assert_err(hv_plug_disk(&f.hv, &part, DEADLINE_NEVER, &dev, &e), &e, ERR_INVALID,
		   "must be read-only");
	e = ERR_INIT;
	assert_err(hv_plug_disk(&f.hv, &shared, DEADLINE_NEVER, &dev, &e), &e, ERR_INVALID,
		   "shared must be read-only");
	f.hv.ops = &hv_fake_ops;
	e = ERR_INIT;
	assert_err(hv_plug_disk(&f.hv, &part, DEADLINE_NEVER, &dev, &e), &e, ERR_UNSUPPORTED,
		   "fake cannot plug disks");
	assert_int_equal(f.asked, 0);
	fake_qemu_stop(&f);
}

static void test_refused(void **state)
{
	(void)state;
	fiber_main(refused, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unplug),
		cmocka_unit_test(test_unwilling_guest),
		cmocka_unit_test(test_channel_is_released),
		cmocka_unit_test(test_unplug_fails),
		cmocka_unit_test(test_first_error),
		cmocka_unit_test(test_side_by_side),
		cmocka_unit_test(test_thrown_out),
		cmocka_unit_test(test_death),
		cmocka_unit_test(test_lost_monitor),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
