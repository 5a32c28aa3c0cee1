/* SPDX-License-Identifier: Apache-2.0 */
/* Disks for a running QEMU: whatever fails, and whenever, nothing of it stays. */
#include "tests/lib/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>

#include "common/async/fiber.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "tests/unit/hypervisor/fake_qemu.h"

#define FILES     3
#define DAY_MS    86400000
#define INSTANTLY 1000 /* ms; far below the ten seconds of a guest's time */

static struct fake_qemu f;
static struct hv_extent files[FILES];

static int plug(size_t n, struct hv_device **ret, struct err *e)
{
	const struct hv_disk disk = { .extents = files, .n_extents = n, .read_only = true };

	*e = ERR_INIT;
	return hv_plug_disk(&f.hv, &disk, deadline_in_ms(DAY_MS), ret, e);
}

static struct hv_device *plugged(size_t n)
{
	struct hv_device *dev = NULL;
	struct err e;

	assert_ok(plug(n, &dev, &e), &e);
	return dev;
}

static int unplug(struct hv_device *dev, int64_t ms, struct err *e)
{
	*e = ERR_INIT;
	return hv_unplug(&f.hv, dev, deadline_in_ms(ms), e);
}

static void assert_nothing(const char *when, int n)
{
	if (f.sets.n + f.nodes.n + f.devices.n + f.qemu.slots.n_used + f.qemu.units.n_used != 0 ||
	    f.hv.devices)
		fail_msg("%s %d: %zu sets, %zu nodes, %zu devices, %u slots stay; %s", when, n,
			 f.sets.n, f.nodes.n, f.devices.n, f.qemu.slots.n_used, f.log.data);
}

static void begin(const char *machine, const char *driver)
{
	fake_qemu_start(&f, machine, driver);
	fake_qemu_log_clear(&f);
}

/* ---- Plugging ---- */

/* The opposite of "add-fd 1", "blockdev-add node1"; "" of a device that is not there yet. */
static void add_opposite(struct buf *want, const char *step)
{
	if (strncmp(step, "add-fd", 6) == 0)
		buf_addf(want, "remove-fd%s; ", step + 6);
	else if (strncmp(step, "blockdev-add", 12) == 0)
		buf_addf(want, "blockdev-del%s; ", step + 12);
}

/* Of n - 1 steps done and the n-th refused: these steps, then their opposites, the last first. */
static void check_log(int n)
{
	auto_buf struct buf want = BUF_INIT;
	auto_free char *copy = xstrdup(f.log.data);
	char *step[16], *rest = copy, *end;
	int steps = 0;

	while ((end = strstr(rest, "; ")) && steps < n) {
		*end = '\0';
		step[steps++] = rest;
		rest = end + 2;
	}
	assert_int_equal(steps, n);
	assert_int_equal(*step[n - 1], '!');
	for (int i = n - 1; i-- > 0;)
		add_opposite(&want, step[i]);
	assert_string_equal(rest, want.data ? want.data : "");
}

static void fail_each(void *arg)
{
	const char *const *machine = arg;
	struct hv_device *dev = NULL;
	struct err e;
	int n;

	begin(machine[0], machine[1]);
	for (n = 1;; n++) {
		fake_qemu_log_clear(&f);
		f.refuse_from = f.refuse_to = n;
		if (plug(FILES, &dev, &e) == 0)
			break;
		if (e.code != ERR_INTERNAL || !strstr(e.text, "refused") ||
		    !strstr(e.text, "plug disk 'a'"))
			fail_msg("%d: '%s'", n, e.text);
		check_log(n);
		assert_nothing("plug", n);
	}
	/* Three files and the VMDK's text, the node, the device; for SCSI the controller before. */
	assert_int_equal(n - 1, strcmp(machine[1], "virtio-scsi") == 0 ? 7 : 6);
	fake_qemu_stop(&f);
}

static void test_each_step_fails(void **state)
{
	static const char *blk[] = { "q35", "virtio-blk" };
	static const char *ccw[] = { "s390-ccw-virtio", "virtio-blk" };

	(void)state;
	fiber_main(fail_each, blk);
	fiber_main(fail_each, ccw);
}

/* With a controller that stays once it is there. */
static void fail_scsi(void *arg)
{
	struct hv_device *dev = NULL;
	struct err e;

	(void)arg;
	begin("q35", "virtio-scsi");
	f.refuse_from = f.refuse_to = 1;
	assert_int_equal(plug(1, &dev, &e), -1);
	assert_non_null(strstr(e.text, "SCSI controller: QMP device_add: refused 1"));
	assert_nothing("controller", 1);
	for (int n = 2; n <= 4; n++) {
		f.asked = n == 2 ? 0 : 1; /* the controller is not asked for again */
		f.refuse_from = f.refuse_to = n;
		assert_int_equal(plug(1, &dev, &e), -1);
		assert_int_equal(f.devices.n, 1);
		assert_int_equal(f.sets.n + f.nodes.n + f.qemu.units.n_used, 0);
	}
	f.refuse_from = f.refuse_to = 0;
	dev = plugged(1);
	assert_string_equal(hv_device_driver(dev), "scsi");
	fake_qemu_stop(&f);
}

static void test_scsi_steps_fail(void **state)
{
	(void)state;
	fiber_main(fail_scsi, NULL);
}

/* What cannot be given back does not keep the rest, nor take the place of the reason. */
static void fail_twice(void *arg)
{
	struct hv_device *dev = NULL;
	struct err e;

	(void)arg;
	begin("q35", "virtio-blk");
	f.refuse_from = 3;
	f.refuse_to = 4; /* device_add, then blockdev-del */
	assert_int_equal(plug(1, &dev, &e), -1);
	assert_non_null(strstr(e.text, "QMP device_add: refused 3"));
	assert_int_equal(f.nodes.n, 1);
	assert_int_equal(f.sets.n + f.qemu.slots.n_used, 0);
	fake_qemu_stop(&f);
}

static void test_taking_back_fails(void **state)
{
	(void)state;
	fiber_main(fail_twice, NULL);
}

/* Done, but nobody said so: it is taken back all the same. */
static void no_answer(void *arg)
{
	static const char *const commands[] = { "add-fd", "blockdev-add", "device_add" };

	(void)arg;
	begin("q35", "virtio-blk");
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		const struct hv_disk disk = { .extents = files, .n_extents = 1, .read_only = true };
		struct hv_device *dev = NULL;
		struct err e = ERR_INIT;

		f.silent = commands[i];
		assert_err(hv_plug_disk(&f.hv, &disk, deadline_in_ms(30), &dev, &e), &e,
			   ERR_TIMEOUT, commands[i]);
		assert_nothing(commands[i], 0);
	}
	fake_qemu_stop(&f);
}

static void test_no_answer(void **state)
{
	(void)state;
	fiber_main(no_answer, NULL);
}

static void plug_cancelled(void *arg)
{
	struct hv_device *dev = NULL;
	struct err e;

	(void)arg;
	assert_int_equal(plug(FILES, &dev, &e), -1);
	assert_int_equal(e.code, ERR_CANCELLED);
}

static void cancelled(void *arg)
{
	static const char *const commands[] = { "add-fd", "blockdev-add", "device_add" };

	(void)arg;
	begin("q35", "virtio-blk");
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		struct fiber_group group = FIBER_GROUP_INIT;

		fake_qemu_log_clear(&f);
		f.silent = commands[i];
		fiber_group_start(&group, "plug", plug_cancelled, NULL);
		while (!strstr(f.log.data, commands[i]))
			fiber_yield();
		fiber_group_cancel(&group);
		fiber_group_wait(&group);
		assert_nothing(commands[i], 0);
	}
	fake_qemu_stop(&f);
}

static void test_cancelled(void **state)
{
	(void)state;
	fiber_main(cancelled, NULL);
}

/* ... and where the guest does not let go of it, nobody else gets its slot. */
static void lost_slot(void *arg)
{
	const struct hv_disk disk = { .extents = files, .n_extents = 1, .read_only = true };
	struct hv_device *dev = NULL;
	struct err e = ERR_INIT;

	(void)arg;
	begin("q35", "virtio-blk");
	f.silent = "device_add";
	f.guest = GUEST_REFUSES;
	assert_int_equal(hv_plug_disk(&f.hv, &disk, deadline_in_ms(30), &dev, &e), -1);
	assert_int_equal(f.qemu.slots.n_used, 1);
	f.silent = NULL;
	for (unsigned i = 0; i < 3 * SLOT_PORTS; i++)
		(void)plugged(1);
	fake_qemu_stop(&f);
}

static void test_lost_slot(void **state)
{
	(void)state;
	fiber_main(lost_slot, NULL);
}

/* ---- Unplugging ---- */

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
	int64_t begun;

	(void)arg;
	begin("q35", "virtio-blk");
	dev = plugged(1);
	f.guest = GUEST_SLEEPS;
	assert_err(unplug(dev, 30, &e), &e, ERR_TIMEOUT,
		   "unplug blk 02/00: wait for the guest to release the device");
	/* "Already in the process of unplug" is no reason to give up. */
	f.refuse_from = f.refuse_to = f.asked + 1;
	assert_err(unplug(dev, 30, &e), &e, ERR_TIMEOUT, "wait for the guest");
	f.guest = GUEST_REFUSES;
	begun = clock_now_ms();
	assert_err(unplug(dev, DAY_MS, &e), &e, ERR_STATE, "the guest refuses");
	assert_true(clock_now_ms() - begun < INSTANTLY);
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
	assert_err(unplug(dev, 30, &e), &e, ERR_TIMEOUT, "wait for the guest");
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

	assert_ok(unplug(dev, INSTANTLY, &e), &e);
}

static void unplug_later(void *dev)
{
	struct err e;

	assert_err(unplug(dev, 50, &e), &e, ERR_TIMEOUT, "wait for the guest");
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

/* ---- Places ---- */

static void many(void *arg)
{
	struct hv_device *dev[3 * SLOT_PORTS];
	struct err e;

	(void)arg;
	begin("q35", "virtio-blk");
	for (unsigned i = 0; i < ARRAY_LEN(dev); i++) {
		dev[i] = plugged(1);
		assert_string_equal(hv_device_driver(dev[i]), i < SLOT_PORTS - 1 ? "blk" : "scsi");
	}
	assert_string_equal(hv_device_address(dev[SLOT_PORTS]), "0:1");
	for (unsigned i = 0; i < ARRAY_LEN(dev); i++)
		assert_ok(unplug(dev[i], DAY_MS, &e), &e);
	assert_int_equal(f.qemu.slots.n_used, 1); /* the controller's */
	assert_int_equal(f.qemu.units.n_used + f.nodes.n + f.sets.n, 0);

	/* Ports that something else has do not stand in the way, but a controller needs one. */
	f.qemu.slots.n_used = f.qemu.slots.n;
	assert_string_equal(hv_device_driver(plugged(1)), "scsi");
	f.qemu.controller = false;
	assert_int_equal(plug(1, &dev[0], &e), -1);
	assert_int_equal(e.code, ERR_EXHAUSTED);
	assert_non_null(strstr(e.text, "every PCIe root port"));
	f.qemu.controller = true;
	f.qemu.units.n_used = f.qemu.units.n;
	assert_int_equal(plug(1, &dev[0], &e), -1);
	assert_non_null(strstr(e.text, "every SCSI unit"));
	fake_qemu_stop(&f);
}

static void test_more_than_ports(void **state)
{
	(void)state;
	fiber_main(many, NULL);
}

static void plug_one(void *arg)
{
	(void)arg;
	(void)plugged(1);
}

/* Side by side they get one controller. */
static void together(void *arg)
{
	struct fiber_group group = FIBER_GROUP_INIT;

	(void)arg;
	begin("q35", "virtio-scsi");
	for (int i = 0; i < 5; i++)
		fiber_group_start(&group, "plug", plug_one, NULL);
	fiber_group_wait(&group);
	assert_int_equal(f.devices.n, 6);
	assert_int_equal(f.qemu.units.n_used, 5);
	fake_qemu_stop(&f);
}

static void test_together(void **state)
{
	(void)state;
	fiber_main(together, NULL);
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

static int set_up(void **state)
{
	static const char *const names[FILES] = { "a", "b", "c" };

	(void)state;
	log_set_level(LOG_LEVEL_ERROR);
	for (size_t i = 0; i < FILES; i++) {
		files[i] = (struct hv_extent){ .fd = memfd_create(names[i], MFD_CLOEXEC),
					       .name = names[i] };
		if (files[i].fd < 0 || ftruncate(files[i].fd, 1000) < 0)
			return -1;
	}
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_step_fails),
		cmocka_unit_test(test_scsi_steps_fail),
		cmocka_unit_test(test_taking_back_fails),
		cmocka_unit_test(test_no_answer),
		cmocka_unit_test(test_cancelled),
		cmocka_unit_test(test_lost_slot),
		cmocka_unit_test(test_unplug),
		cmocka_unit_test(test_unwilling_guest),
		cmocka_unit_test(test_channel_is_released),
		cmocka_unit_test(test_unplug_fails),
		cmocka_unit_test(test_first_error),
		cmocka_unit_test(test_side_by_side),
		cmocka_unit_test(test_thrown_out),
		cmocka_unit_test(test_more_than_ports),
		cmocka_unit_test(test_together),
		cmocka_unit_test(test_death),
		cmocka_unit_test(test_lost_monitor),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
