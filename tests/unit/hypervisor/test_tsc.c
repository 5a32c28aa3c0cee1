/* SPDX-License-Identifier: Apache-2.0 */
/* The time stamp counter's frequency: a short look agrees with a longer one, whatever was in between. */
#include "tests/lib/test.h"

#include <time.h>

#include "common/async/fiber.h"
#include "hypervisor/qemu/tsc.h"

static uint32_t after_ms(int64_t ms)
{
	struct tsc_reading first;
	struct err e = ERR_INIT;
	uint32_t ret = 0;

	tsc_read(&first);
	if (ms > 0)
		assert_ok(fiber_sleep_ms(ms, &e), &e);
	assert_ok(tsc_khz_since(&first, &ret, &e), &e);
	return ret;
}

static void look(void *arg)
{
	uint32_t near = after_ms(0), far = after_ms(100);

	(void)arg;
#if defined(__x86_64__)
	assert_in_range(far, 100000, 20000000); /* 100 MHz to 20 GHz */
	assert_in_range(near, far - far / 1000, far + far / 1000);
#else
	assert_int_equal(near, 0);
	assert_int_equal(far, 0);
#endif
}

static void test_frequency(void **state)
{
	(void)state;
	fiber_main(look, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frequency),
	};

	return cmocka_run_group_tests_name("tsc", tests, NULL, NULL);
}
