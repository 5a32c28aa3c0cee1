/* SPDX-License-Identifier: Apache-2.0 */
/* The machine and the files of the tests of plugging; see hotplug_case.h. */
#include "tests/unit/hypervisor/hotplug_case.h"

#include "tests/lib/test.h"

#include <sys/mman.h>

#include "common/base/log.h"

struct fake_qemu f;
struct hv_extent files[FILES];

int plug(size_t n, struct hv_device **ret, struct err *e)
{
	const struct hv_disk disk = { .extents = files, .n_extents = n, .read_only = true };

	*e = ERR_INIT;
	return hv_plug_disk(&f.hv, &disk, deadline_in_ms(DAY_MS), ret, e);
}

struct hv_device *plugged(size_t n)
{
	struct hv_device *dev = NULL;
	struct err e;

	assert_ok(plug(n, &dev, &e), &e);
	return dev;
}

int unplug(struct hv_device *dev, int64_t ms, struct err *e)
{
	*e = ERR_INIT;
	return hv_unplug(&f.hv, dev, deadline_in_ms(ms), e);
}

void assert_nothing(const char *when, int n)
{
	if (f.sets.n + f.nodes.n + f.devices.n + f.qemu.slots.n_used + f.qemu.units.n_used != 0 ||
	    f.hv.devices)
		fail_msg("%s %d: %zu sets, %zu nodes, %zu devices, %u slots stay; %s", when, n,
			 f.sets.n, f.nodes.n, f.devices.n, f.qemu.slots.n_used, f.log.data);
}

void begin(const char *machine, const char *driver)
{
	fake_qemu_start(&f, machine, driver);
	fake_qemu_log_clear(&f);
}

int set_up(void **state)
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
