/* SPDX-License-Identifier: Apache-2.0 */
/* Command lines as containerd writes them, and others. */
#include "tests/lib/test.h"

#include "shim/args.h"

#define ARGS_MAX 16

static int parse(const char *const *argv, struct shim_args *ret, struct err *e)
{
	int argc = 0;

	while (argv[argc])
		argc++;
	return shim_args_parse(argc, argv, ret, e);
}

#define PARSE(ret, e, ...) parse((const char *const[]){ "shim", __VA_ARGS__, NULL }, ret, e)

static void test_start(void **state)
{
	struct shim_args a;
	struct err e = ERR_INIT;

	(void)state;
	assert_ok(PARSE(&a, &e, "-namespace", "k8s.io", "-address", "/run/c.sock",
			"-publish-binary", "/usr/bin/containerd", "-id", "x", "-debug", "start"),
		  &e);
	assert_string_equal(a.ns, "k8s.io");
	assert_string_equal(a.address, "/run/c.sock");
	assert_string_equal(a.publish_binary, "/usr/bin/containerd");
	assert_string_equal(a.id, "x");
	assert_string_equal(a.bundle, "");
	assert_true(a.debug);
	assert_string_equal(a.action, "start");
}

static void test_forms(void **state)
{
	struct shim_args a;
	struct err e = ERR_INIT;

	(void)state;
	assert_ok(PARSE(&a, &e, "--id=a=b", "-debug=false", "--bundle=", "--", "delete"), &e);
	assert_string_equal(a.id, "a=b");
	assert_false(a.debug);
	assert_string_equal(a.bundle, "");
	assert_string_equal(a.action, "delete");

	/* A value may look like an option. */
	assert_ok(PARSE(&a, &e, "-id", "-debug", "start"), &e);
	assert_string_equal(a.id, "-debug");
	assert_false(a.debug);

	assert_ok(PARSE(&a, &e, "-info"), &e);
	assert_true(a.info);
	assert_string_equal(a.action, "");
	assert_ok(PARSE(&a, &e, "--version"), &e);
	assert_true(a.version);
	assert_ok(PARSE(&a, &e, "-v"), &e);
	assert_true(a.version);
}

static void test_errors(void **state)
{
	struct shim_args a;
	struct err e = ERR_INIT;

	(void)state;
	assert_err(PARSE(&a, &e, "-wrong", "start"), &e, ERR_INVALID, "-wrong");
	assert_err(PARSE(&a, &e, "-i", "x"), &e, ERR_INVALID, "unknown option '-i'");
	assert_err(PARSE(&a, &e, "-id"), &e, ERR_INVALID, "-id wants a value");
	assert_err(PARSE(&a, &e, "-debug=maybe", "start"), &e, ERR_INVALID, "maybe");
	assert_err(PARSE(&a, &e, "start", "again"), &e, ERR_INVALID, "again");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_start),
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_errors),
	};

	return cmocka_run_group_tests_name("shim args", tests, NULL, NULL);
}
