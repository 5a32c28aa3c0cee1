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

/* ---- Growing ---- */

static int growing(void **state)
{
	if (set_up(state) < 0)
		return -1;
	config->runtime.static_sandbox_resource_mgmt = false;
	config->hypervisor.default_maxmemory_mib = 4096;
	config->hypervisor.memory_slots = 7;
	return 0;
}

static void test_static_never_grows(void **state)
{
	struct sizing_request r = { .cpu_quota = 500000, .memory = 1000 * MIB };
	struct sizing s;

	(void)state;
	config->hypervisor.default_maxmemory_mib = 4096;
	assert_ok(sizing_of(config, &r, &s, &e), &e);
	assert_int_equal(s.max_vcpus, s.vcpus);
	assert_int_equal(s.max_memory_mib, s.memory_mib);
}

static void test_limits_on_top_of_defaults(void **state)
{
	struct sizing_request r = { .cpu_quota = 150000, .cpu_shares = 65536, .memory = 99 * MIB };
	struct sizing s;

	(void)state;
	assert_ok(sizing_of(config, &r, &s, &e), &e);
	assert_int_equal(s.vcpus, 2 + 2);
	assert_int_equal(s.max_vcpus, 8);
	assert_int_equal(s.memory_mib, 512 + 100);
	assert_int_equal(s.max_memory_mib, 4096);
	assert_int_equal(s.memory_slots, 7);
	assert_false(s.capped);
	assert_ok(sizing_of_containers(config, NULL, 0, &s, &e), &e);
	assert_int_equal(s.vcpus, 2);
	assert_int_equal(s.memory_mib, 512);
}

/* Ten tenths are one; -1 is no limit; each has a period of its own. */
static void test_sums(void **state)
{
	struct sizing_request r[12];
	struct sizing s;

	(void)state;
	for (size_t i = 0; i < 10; i++)
		r[i] = (struct sizing_request){ .cpu_quota = 10000, .memory = 10 * MIB };
	r[10] = (struct sizing_request){ .cpu_quota = -1, .memory = -1 };
	r[11] = (struct sizing_request){ .cpu_quota = 4000, .cpu_period = 2000 };
	assert_ok(sizing_of_containers(config, r, 10, &s, &e), &e);
	assert_int_equal(s.vcpus, 2 + 1);
	assert_ok(sizing_of_containers(config, r, 12, &s, &e), &e);
	assert_int_equal(s.vcpus, 2 + 3);
	assert_int_equal(s.memory_mib, 512 + 100);
}

/* The limits alone may be as large as the maximum, with the default on top there is no more than that. */
static void test_maximum_of_cpus(void **state)
{
	struct sizing_request r = { .cpu_quota = 800000 };
	struct sizing s;

	(void)state;
	assert_ok(sizing_of(config, &r, &s, &e), &e);
	assert_int_equal(s.vcpus, 8);
	r.cpu_quota = 800001;
	assert_int_equal(sizing_of(config, &r, &s, &e), -1);
	assert_int_equal(e.code, ERR_EXHAUSTED);
	assert_non_null(strstr(e.text, "come to 8.001, hypervisor.default_maxvcpus = 8"));
	config->hypervisor.default_maxvcpus = 0;
	r.cpu_quota = INT64_MAX;
	assert_ok(sizing_of(config, &r, &s, &e), &e);
	assert_int_equal(s.vcpus, s.max_vcpus);
	assert_true(s.capped);
}

static void test_maximum_of_memory(void **state)
{
	struct sizing_request r = { .memory = (4096 - 512) * MIB };
	struct sizing s;

	(void)state;
	assert_ok(sizing_of(config, &r, &s, &e), &e);
	assert_int_equal(s.memory_mib, 4096);
	r.memory++;
	assert_int_equal(sizing_of(config, &r, &s, &e), -1);
	assert_int_equal(e.code, ERR_EXHAUSTED);
	assert_non_null(strstr(e.text, "comes to 4098 MiB"));
	assert_non_null(strstr(e.text, "limits of its containers are 3585 MiB"));
	assert_non_null(strstr(e.text, "hypervisor.default_memory = 512 MiB"));
	assert_non_null(strstr(e.text, "hypervisor.default_maxmemory = 4096 MiB"));
	config->hypervisor.default_maxmemory_mib = 0;
	r.memory = INT64_MAX;
	assert_ok(sizing_of(config, &r, &s, &e), &e);
	assert_int_equal(s.memory_mib, s.max_memory_mib);
	assert_true(s.capped);
}

/* A host that has less than the defaults: they are meant. */
static void test_defaults_beyond_the_host(void **state)
{
	struct sizing_request r = { .cpu_quota = 100000, .memory = 1 * MIB };
	struct sizing s;

	(void)state;
	config->hypervisor.default_maxvcpus = 0;
	config->hypervisor.default_maxmemory_mib = 0;
	config->hypervisor.default_vcpus = 250;
	config->hypervisor.default_memory_mib = 16u << 20;
	assert_ok(sizing_of(config, &r, &s, &e), &e);
	assert_int_equal(s.vcpus, 250);
	assert_int_equal(s.max_vcpus, 250);
	assert_int_equal(s.memory_mib, 16u << 20);
	assert_int_equal(s.max_memory_mib, 16u << 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_sizes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_too_small_to_boot, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_static_never_grows, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_limits_on_top_of_defaults, growing, tear_down),
		cmocka_unit_test_setup_teardown(test_sums, growing, tear_down),
		cmocka_unit_test_setup_teardown(test_maximum_of_cpus, growing, tear_down),
		cmocka_unit_test_setup_teardown(test_maximum_of_memory, growing, tear_down),
		cmocka_unit_test_setup_teardown(test_defaults_beyond_the_host, growing, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
