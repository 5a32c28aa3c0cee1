/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting for the guest's vsock driver, before which no connection may be asked for. */
#include "tests/lib/test.h"

#include <limits.h>

#include "common/async/fiber.h"
#include "common/base/mem.h"
#include "hypervisor/qemu/vsock.h"
#include "tests/unit/hypervisor/hotplug_case.h"

#define LOOK "x-query-virtio-status ; "

static void ready(void *arg)
{
	(void)arg;
	begin("q35", "virtio-blk");
	f.hv.agent.kind = TRANSPORT_HVSOCK;
	f.driver_ready_at = 3;
	hv_wait_agent_channel(&f.hv, deadline_in_ms(DAY_MS));
	assert_string_equal(f.log.data, LOOK LOOK LOOK);
	fake_qemu_log_clear(&f);
	f.hv.agent.kind = TRANSPORT_SERIAL; /* holds what comes early */
	hv_wait_agent_channel(&f.hv, deadline_in_ms(DAY_MS));
	assert_string_equal(f.log.data, "");
	fake_qemu_stop(&f);
}

/* Then the connection is tried, and says what is wrong. */
static void never_ready(void *arg)
{
	(void)arg;
	begin("q35", "virtio-blk");
	f.driver_ready_at = INT_MAX;
	vsock_wait_driver(f.qemu.qmp, deadline_in_ms(GIVES_UP_MS));
	assert_int_not_equal(f.looks, 0);
	fake_qemu_log_clear(&f);
	f.refuse_from = f.refuse_to = 1; /* a QEMU without the command */
	vsock_wait_driver(f.qemu.qmp, deadline_in_ms(DAY_MS));
	assert_string_equal(f.log.data, "!" LOOK);
	fake_qemu_close(&f);
	vsock_wait_driver(f.qemu.qmp, deadline_in_ms(DAY_MS));
	fake_qemu_stop(&f);
}

static void test_ready(void **state)
{
	(void)state;
	fiber_main(ready, NULL);
}

static void test_never_ready(void **state)
{
	(void)state;
	fiber_main(never_ready, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ready),
		cmocka_unit_test(test_never_ready),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
