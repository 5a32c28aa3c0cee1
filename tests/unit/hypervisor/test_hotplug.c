/* SPDX-License-Identifier: Apache-2.0 */
/* Disks and cards for a running QEMU: whatever fails, and whenever, nothing of it stays. */
#include "tests/lib/test.h"

#include "common/async/fiber.h"
#include "common/base/mem.h"
#include "tests/unit/hypervisor/hotplug_case.h"

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
		assert_err(hv_plug_disk(&f.hv, &disk, deadline_in_ms(GIVES_UP_MS), &dev, &e), &e,
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
	assert_int_equal(hv_plug_disk(&f.hv, &disk, deadline_in_ms(GIVES_UP_MS), &dev, &e), -1);
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

/* ---- Cards ---- */

static int plug_card(struct hv_device **ret, int64_t ms, struct err *e)
{
	const int fds[] = { files[0].fd, files[1].fd };
	const struct hv_nic nic = { .n_queues = 2, .tap_fds = fds, .vhost_fds = fds };

	*e = ERR_INIT;
	return hv_plug_nic(&f.hv, &nic, "eth0", deadline_in_ms(ms), ret, e);
}

static int count(const char *part)
{
	int n = 0;

	for (const char *at = f.log.data; (at = strstr(at, part)); at++)
		n++;
	return n;
}

/* Four descriptors, the backend, the device. */
static void fail_card(void *arg)
{
	static const char *const commands[] = { "getfd", "netdev_add", "device_add" };
	struct hv_device *dev = NULL;
	struct err e;

	(void)arg;
	begin("q35", "virtio-blk");
	for (int n = 1; n <= 6; n++) {
		fake_qemu_log_clear(&f);
		f.refuse_from = f.refuse_to = n;
		assert_int_equal(plug_card(&dev, DAY_MS, &e), -1);
		assert_non_null(strstr(e.text, "refused"));
		assert_nothing("card", n);
		assert_int_equal(count("!"), 1); /* nothing was given back that was not there */
	}
	f.refuse_from = f.refuse_to = 0;
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		f.silent = commands[i];
		assert_int_equal(plug_card(&dev, GIVES_UP_MS, &e), -1);
		assert_nothing(commands[i], 0);
	}
	f.silent = NULL;
	assert_ok(plug_card(&dev, DAY_MS, &e), &e);
	assert_ok(unplug(dev, DAY_MS, &e), &e);
	assert_nothing("card", 0);
	fake_qemu_stop(&f);
}

static void test_card(void **state)
{
	(void)state;
	fiber_main(fail_card, NULL);
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

static void grow(void *arg)
{
	struct hv_device *dev;
	struct err e = ERR_INIT;

	(void)arg;
	begin("q35", "virtio-blk");
	dev = plugged(1);
	fake_qemu_log_clear(&f);
	assert_ok(hv_grow_disk(&f.hv, dev, 1 << 20, deadline_in_ms(DAY_MS), &e), &e);
	assert_int_equal(strncmp(f.log.data, "block_resize ", 13), 0);
	f.refuse_from = f.refuse_to = f.asked + 1;
	assert_err(hv_grow_disk(&f.hv, dev, 1 << 20, deadline_in_ms(DAY_MS), &e), &e, ERR_INTERNAL,
		   "grow a disk to 1048576 bytes");
	fake_qemu_stop(&f);
}

static void test_grow(void **state)
{
	(void)state;
	fiber_main(grow, NULL);
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
		cmocka_unit_test(test_card),
		cmocka_unit_test(test_more_than_ports),
		cmocka_unit_test(test_together),
		cmocka_unit_test(test_grow),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
