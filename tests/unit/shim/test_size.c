/* SPDX-License-Identifier: Apache-2.0 */
/* What is asked for: by the annotations of a pod, by the resources of a single container. */
#include "tests/lib/test.h"

#include <stdio.h>

#include "common/base/mem.h"
#include "shim/sandbox/size.h"

static struct sizing_request asked;
static struct err e;

static int request(const char *annotations, const char *resources)
{
	auto_free char *text = xasprintf("{\"ociVersion\": \"1.0.2\", "
					 "\"process\": {\"args\": [\"true\"], \"cwd\": \"/\"}, "
					 "\"root\": {\"path\": \"rootfs\"}, "
					 "\"annotations\": {%s}, "
					 "\"linux\": {\"resources\": {%s}}}",
					 annotations, resources);
	auto_oci_spec struct oci_spec *spec = NULL;

	e = ERR_INIT;
	assert_ok(oci_spec_parse(text, strlen(text), &spec, &e), &e);
	return sandbox_sizing_request(spec, &asked, &e);
}

#define POD "\"io.kubernetes.cri.container-type\": \"sandbox\""

static void test_single_container(void **state)
{
	(void)state;
	assert_ok(request("", "\"cpu\": {\"quota\": 150000, \"period\": 100000, \"shares\": 512}, "
			      "\"memory\": {\"limit\": 67108864}"),
		  &e);
	assert_int_equal(asked.cpu_quota, 150000);
	assert_int_equal(asked.cpu_period, 100000);
	assert_int_equal(asked.cpu_shares, 512);
	assert_int_equal(asked.memory, 67108864);
	assert_ok(request("", ""), &e);
	assert_int_equal(asked.memory, 0);
	assert_int_equal(asked.cpu_quota, 0);
	/* what `ctr run` says without a word about CPUs; a pod asks for a CPU with it */
	assert_ok(request("", "\"cpu\": {\"shares\": 1024}"), &e);
	assert_int_equal(asked.cpu_shares, 0);
	assert_ok(request(POD ", \"io.kubernetes.cri.sandbox-cpu-shares\": \"1024\"", ""), &e);
	assert_int_equal(asked.cpu_shares, 1024);
}

/* The pause container's own resources are the kubelet's business and say nothing of the pod. */
static void test_pod(void **state)
{
	(void)state;
	assert_ok(request(POD ", \"io.kubernetes.cri.sandbox-cpu-quota\": \"200000\", "
			      "\"io.kubernetes.cri.sandbox-cpu-period\": \"100000\", "
			      "\"io.kubernetes.cri.sandbox-cpu-shares\": \"2048\", "
			      "\"io.kubernetes.cri.sandbox-memory\": \"1073741824\"",
			  "\"memory\": {\"limit\": 1048576}"),
		  &e);
	assert_int_equal(asked.cpu_quota, 200000);
	assert_int_equal(asked.cpu_period, 100000);
	assert_int_equal(asked.cpu_shares, 2048);
	assert_int_equal(asked.memory, 1073741824);
	assert_ok(request(POD, "\"memory\": {\"limit\": 1048576}"), &e);
	assert_int_equal(asked.memory, 0);
}

static void test_no_number(void **state)
{
	(void)state;
	assert_int_equal(request(POD ", \"io.kubernetes.cri.sandbox-memory\": \"1Gi\"", ""), -1);
	assert_int_equal(e.code, ERR_INVALID);
	assert_non_null(strstr(e.text, "io.kubernetes.cri.sandbox-memory: '1Gi'"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_single_container),
		cmocka_unit_test(test_pod),
		cmocka_unit_test(test_no_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
