/* SPDX-License-Identifier: Apache-2.0 */
/* What size a VM gets for what its pod may use. */
#include "tests/lib/test.h"

#include "common/base/mem.h"
#include "config/load.h"
#include "config/sizing.h"

#define MIB (1024ll * 1024)

static struct config *config;
static struct err e;

static int set_up(void **state)
{
	static const struct config_places nowhere = { .system_dir = "/nonexistent",
						      .defaults_dir = "/nonexistent" };

	(void)state;
	e = ERR_INIT;
	if (config_load_from(&nowhere, NULL, &config, &e) < 0)
		return -1;
	config->hypervisor.default_vcpus = 2;
	config->hypervisor.default_maxvcpus = 8;
	config->hypervisor.overhead_vcpus = 200;
	config->hypervisor.default_memory_mib = 512;
	config->hypervisor.overhead_memory_mib = 100;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	config_free(take_ptr(config));
	return 0;
}

static void test_sizes(void **state)
{
	static const struct {
		struct sizing_request r;
		uint32_t vcpus;
		uint64_t memory_mib;
	} rows[] = {
		{ { .cpu_quota = 0 }, 2, 512 },
		{ { .cpu_quota = -1, .cpu_shares = 2, .memory = -1 }, 2, 512 },
		/* A limit on CPUs does not shrink memory, one on memory not the CPUs. */
		{ { .cpu_quota = 50000, .cpu_period = 100000 }, 1, 512 },
		{ { .memory = 100 * MIB }, 2, 200 },
		/* Rounded up, with the overhead: 0.8 + 0.2, 0.81 + 0.2, 3 + 0.2. */
		{ { .cpu_quota = 80000, .cpu_period = 100000 }, 1, 512 },
		{ { .cpu_quota = 81000, .cpu_period = 100000 }, 2, 512 },
		{ { .cpu_quota = 300000 }, 4, 512 },
		{ { .cpu_quota = 1, .cpu_period = 1000000 }, 1, 512 },
		/* No more than there may be, however much is asked for. */
		{ { .cpu_quota = INT64_MAX, .cpu_period = 1 }, 8, 512 },
		{ { .cpu_shares = UINT64_MAX }, 8, 512 },
		/* A request is no limit: it never makes the VM smaller. */
		{ { .cpu_quota = -1, .cpu_shares = 102 }, 2, 512 },
		{ { .cpu_quota = -1, .cpu_shares = 4096 }, 5, 512 },
		{ { .memory = 100 * MIB + 1 }, 2, 202 },
		{ { .memory = 101 * MIB }, 2, 202 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct sizing s;

		assert_ok(sizing_of(config, &rows[i].r, &s, &e), &e);
		assert_int_equal(s.vcpus, rows[i].vcpus);
		assert_int_equal(s.memory_mib, rows[i].memory_mib);
	}
}

static void test_too_small_to_boot(void **state)
{
	struct sizing_request r = { .memory = 1 };
	struct sizing s;

	(void)state;
	config->hypervisor.overhead_memory_mib = 0;
	assert_int_equal(sizing_of(config, &r, &s, &e), -1);
	assert_int_equal(e.code, ERR_INVALID);
	assert_non_null(strstr(e.text, "limit is 1 bytes"));
	assert_non_null(strstr(e.text, "hypervisor.overhead_memory = 0"));
	r.memory = INT64_MAX;
	assert_int_equal(sizing_of(config, &r, &s, &e), -1);
}

static void test_switched_off(void **state)
{
	struct sizing_request r = { .cpu_quota = 500000, .memory = 1000 * MIB };
	struct sizing s;

	(void)state;
	config->runtime.static_sandbox_resource_mgmt = false;
	assert_ok(sizing_of(config, &r, &s, &e), &e);
	assert_int_equal(s.vcpus, 2);
	assert_int_equal(s.memory_mib, 512);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_sizes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_too_small_to_boot, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_switched_off, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
