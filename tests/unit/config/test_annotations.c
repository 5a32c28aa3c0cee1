/* SPDX-License-Identifier: Apache-2.0 */
/* What a pod may say about its VM, and with which words it is refused. */
#include "tests/lib/test.h"

#include <stdio.h>

#include "common/base/mem.h"
#include "config/annotations.h"
#include "config/load.h"

#define HYPERVISOR "io.katacontainers.config.hypervisor."
#define RUNTIME    "io.katacontainers.config.runtime."
#define AGENT      "io.katacontainers.config.agent."

static struct config *config;
static struct err e;

static int set_up(void **state)
{
	static const struct config_places nowhere = { .system_dir = "/nonexistent",
						      .defaults_dir = "/nonexistent" };

	(void)state;
	e = ERR_INIT;
	return config_load_from(&nowhere, NULL, &config, &e);
}

static int tear_down(void **state)
{
	(void)state;
	config_free(take_ptr(config));
	return 0;
}

static void enable(const char *pattern)
{
	strv_add(&config->hypervisor.enable_annotations, pattern);
}

static int apply(const char *key, const char *value)
{
	char key_copy[256], value_copy[256];
	struct json_pair pair = { key_copy, value_copy };
	struct json_map map = { 1, &pair };

	(void)snprintf(key_copy, sizeof(key_copy), "%s", key);
	(void)snprintf(value_copy, sizeof(value_copy), "%s", value);
	e = ERR_INIT;
	return config_apply_annotations(config, &map, &e);
}

#define assert_refused(key, value, part)                 \
	do {                                             \
		assert_int_equal(apply(key, value), -1); \
		assert_non_null(strstr(e.text, key));    \
		assert_non_null(strstr(e.text, part));   \
	} while (0)

static void test_other_annotations_are_not_ours(void **state)
{
	(void)state;
	assert_ok(apply("io.kubernetes.cri.container-type", "sandbox"), &e);
	assert_ok(apply("io.katacontainers.container.resource.swappiness", "10"), &e);
}

static void test_nothing_is_enabled_by_default(void **state)
{
	(void)state;
	assert_refused(HYPERVISOR "default_vcpus", "2", "is not enabled");
	assert_refused(RUNTIME "enable_debug", "true", "runtime.enable_debug");
	assert_int_equal(config->hypervisor.default_vcpus, 1);
}

static void test_values_of_each_kind(void **state)
{
	(void)state;
	enable(".*");
	enable("agent\\..*");
	assert_ok(apply(HYPERVISOR "default_vcpus", "3"), &e);
	assert_int_equal(config->hypervisor.default_vcpus, 3);
	assert_ok(apply(HYPERVISOR "default_max_vcpus", "5"), &e);
	assert_int_equal(config->hypervisor.default_maxvcpus, 5);
	assert_ok(apply(HYPERVISOR "overhead_vcpus", "0.25"), &e);
	assert_int_equal(config->hypervisor.overhead_vcpus, 250);
	assert_ok(apply(HYPERVISOR "machine_type", "q35"), &e);
	assert_ok(apply(HYPERVISOR "accel", "tcg"), &e);
	assert_int_equal(config->hypervisor.accel, CONFIG_ACCEL_TCG);
	assert_ok(apply(HYPERVISOR "virtio_fs_extra_args", "[\"--a\", \"-b\"]"), &e);
	assert_string_equal(config->hypervisor.virtio_fs_extra_args[1], "-b");
	assert_ok(apply(AGENT "enable_debug", "true"), &e);
	assert_true(config->agent.enable_debug);
}

static void test_kernel_parameters_are_added(void **state)
{
	(void)state;
	enable("kernel_params");
	assert_ok(apply(HYPERVISOR "kernel_params", "a=1"), &e);
	assert_ok(apply(HYPERVISOR "kernel_params", "b=2 a=3"), &e);
	assert_string_equal(config->hypervisor.kernel_params, "a=1 b=2 a=3");
}

static void test_patterns_match_whole_names(void **state)
{
	(void)state;
	enable("path");
	enable("default_(vcpus|memory)");
	enable("enable_debug"); /* the hypervisor's, not the agent's */
	assert_ok(apply(HYPERVISOR "default_memory", "256"), &e);
	assert_ok(apply(HYPERVISOR "enable_debug", "true"), &e);
	assert_refused(HYPERVISOR "default_max_vcpus", "2", "is not enabled");
	assert_refused(AGENT "enable_debug", "true", "is not enabled");
	assert_refused(RUNTIME "path", "x", "there is no key");
}

static void test_paths_need_a_pattern(void **state)
{
	(void)state;
	enable("path");
	assert_refused(HYPERVISOR "path", "/usr/bin/qemu", "valid_hypervisor_paths");
	strv_add(&config->hypervisor.valid_hypervisor_paths, "/opt/qemu-*");
	assert_refused(HYPERVISOR "path", "/opt/qemu-9/../../bin/sh", "valid_hypervisor_paths");
	assert_ok(apply(HYPERVISOR "path", "/opt/qemu-9"), &e);
	assert_string_equal(config->hypervisor.path, "/opt/qemu-9");
}

static void test_what_is_refused(void **state)
{
	(void)state;
	enable(".*");
	assert_refused(HYPERVISOR "user", "nobody", "cannot set");
	assert_refused(HYPERVISOR "seccompsandbox", "off", "cannot set");
	assert_refused(HYPERVISOR "enable_annotations", "[\".*\"]", "cannot set");
	assert_refused(RUNTIME "state_dir", "/tmp", "cannot set");
	assert_refused(HYPERVISOR "default_vcpu", "1", "there is no key");
	assert_refused(HYPERVISOR "enable_iommu", "true", "husk does not have");
	assert_refused("io.katacontainers.config.factory.enable", "true", "section");
	assert_refused(HYPERVISOR "default_vcpus", "0", "must be from 1 to 256");
	assert_refused(HYPERVISOR "default_vcpus", "two", "is not a value");
	assert_refused(HYPERVISOR "default_vcpus", "1\nx = 2", "one line");
	assert_refused(HYPERVISOR "kernel_params", "a\nb", "one line");
	assert_refused(HYPERVISOR "enable_debug", "1", "true or false");
}

static void test_rules_between_keys_hold(void **state)
{
	(void)state;
	enable("kernel");
	assert_int_equal(apply(HYPERVISOR "kernel", "/boot/vmlinux"), -1);
	assert_non_null(strstr(e.text, "initrd is not"));
	assert_non_null(strstr(e.text, "annotation " HYPERVISOR "kernel"));
}

static void test_a_pattern_that_is_none(void **state)
{
	(void)state;
	enable("(");
	assert_refused(HYPERVISOR "default_vcpus", "1", "enable_annotations: \"(\"");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_other_annotations_are_not_ours),
		TEST(test_nothing_is_enabled_by_default),
		TEST(test_values_of_each_kind),
		TEST(test_kernel_parameters_are_added),
		TEST(test_patterns_match_whole_names),
		TEST(test_paths_need_a_pattern),
		TEST(test_what_is_refused),
		TEST(test_rules_between_keys_hold),
		TEST(test_a_pattern_that_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
