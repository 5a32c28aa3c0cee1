/* SPDX-License-Identifier: Apache-2.0 */
/* The host: what is found beneath faked roots, and what "auto" makes of every combination. */
#include "tests/lib/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "common/base/mem.h"
#include "common/base/path.h"
#include "hypervisor/host.h"

static char root[64];

static int set_up(void **state)
{
	(void)state;
	(void)snprintf(root, sizeof(root), "/tmp/husk-host-XXXXXX");
	return mkdtemp(root) ? 0 : -1;
}

static int tear_down(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	return path_remove_tree(AT_FDCWD, root, &e);
}

static void put(const char *name, mode_t mode, const char *text)
{
	auto_free char *path = path_join(root, name);
	auto_free char *parent = xstrdup(path);
	struct err e = ERR_INIT;
	FILE *f;

	*strrchr(parent, '/') = '\0';
	assert_ok(path_mkdirs(parent, 0755, &e), &e);
	f = fopen(path, "we");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, mode), 0);
}

static void test_empty_host(void **state)
{
	auto_host_facts struct host_facts f;

	(void)state;
	host_probe(root, "", &f);
	assert_int_equal(f.kvm_errno, ENOENT);
	assert_int_equal(f.vhost_vsock_errno, ENOENT);
	assert_false(f.cpu_vmx || f.cpu_svm);
	assert_string_equal(f.vsock_daemon, "");
}

static void test_cpu_flags(void **state)
{
	static const struct {
		const char *text;
		bool vmx, svm;
	} cases[] = {
		{ "processor\t: 0\nflags\t\t: fpu vme vmx sse\nbugs\t: x\n", true, false },
		{ "flags\t\t: svm\n", false, true },
		{ "processor\t: 0\nflags\t\t: fpu svm", false, true },
		{ "processor\t: 0\nflags\t\t: fpu vmxx xvmx svm_lock\n", false, false },
		{ "processor\t: 0\nvmx flags\t: vnmi\nmodel name\t: vmx svm\n", false, false },
		{ "processor\t: 0\nflags\t\t:\nother\t: vmx\n", false, false },
		{ "processor\t: 0\nflags\n", false, false },
		{ "", false, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		auto_host_facts struct host_facts f;

		put("proc/cpuinfo", 0644, cases[i].text);
		host_probe(root, "", &f);
		assert_int_equal(f.cpu_vmx, cases[i].vmx);
		assert_int_equal(f.cpu_svm, cases[i].svm);
	}
}

static void test_devices_and_daemon(void **state)
{
	struct host_facts f;

	(void)state;
	put("dev/kvm", 0600, "");
	put("dev/vhost-vsock", 0600, "");
	put("usr/libexec/vhost-device-vsock", 0755, "");
	host_probe(root, "", &f);
	assert_int_equal(f.kvm_errno, 0);
	assert_int_equal(f.vhost_vsock_errno, 0);
	assert_string_equal(f.vsock_daemon, "/usr/libexec/vhost-device-vsock");
	host_facts_done(&f);

	/* PATH comes before libexec, a file that cannot be executed does not count. */
	put("usr/bin/vhost-device-vsock", 0644, "");
	host_probe(root, "", &f);
	assert_string_equal(f.vsock_daemon, "/usr/libexec/vhost-device-vsock");
	host_facts_done(&f);
	put("usr/bin/vhost-device-vsock", 0755, "");
	host_probe(root, "", &f);
	assert_string_equal(f.vsock_daemon, "/usr/bin/vhost-device-vsock");
	host_facts_done(&f);

	/* What is configured is not searched for elsewhere. */
	host_probe(root, "/opt/vsock", &f);
	assert_string_equal(f.vsock_daemon, "");
	host_facts_done(&f);
	put("opt/vsock", 0755, "");
	host_probe(root, "/opt/vsock", &f);
	assert_string_equal(f.vsock_daemon, "/opt/vsock");
	host_facts_done(&f);
}

static void test_find_program(void **state)
{
	auto_free char *found = NULL;

	(void)state;
	put("opt/x/tool", 0755, "");
	assert_null(host_find_program(root, "tool", "/usr/lib:opt/x:"));
	assert_null(host_find_program(root, "tool", ""));
	found = host_find_program(root, "tool", "/usr/lib:/opt/x");
	assert_string_equal(found, "/opt/x/tool");
}

#define NO ENOENT

static void test_accelerator(void **state)
{
	static const struct {
		bool needs_flag, vmx, svm;
		int kvm_errno;
		enum config_accel wanted;
		int r;
		enum config_accel got;
		bool warning;
		const char *text;
	} cases[] = {
		{ true, true, false, 0, CONFIG_ACCEL_AUTO, 0, CONFIG_ACCEL_KVM, false,
		  "shows vmx" },
		{ true, false, true, 0, CONFIG_ACCEL_AUTO, 0, CONFIG_ACCEL_KVM, false,
		  "shows svm" },
		{ true, false, false, 0, CONFIG_ACCEL_AUTO, 0, CONFIG_ACCEL_TCG, true,
		  "neither vmx nor svm" },
		{ true, true, false, NO, CONFIG_ACCEL_AUTO, 0, CONFIG_ACCEL_TCG, true,
		  "does not open (No such file" },
		{ true, true, false, EACCES, CONFIG_ACCEL_AUTO, 0, CONFIG_ACCEL_TCG, true,
		  "(Permission denied)" },
		{ false, false, false, 0, CONFIG_ACCEL_AUTO, 0, CONFIG_ACCEL_KVM, false,
		  "/dev/kvm opens" },
		{ false, false, false, NO, CONFIG_ACCEL_AUTO, 0, CONFIG_ACCEL_TCG, true, "TCG" },
		{ true, true, false, 0, CONFIG_ACCEL_KVM, 0, CONFIG_ACCEL_KVM, false,
		  "accel = \"kvm\"" },
		{ true, false, false, 0, CONFIG_ACCEL_KVM, 0, CONFIG_ACCEL_KVM, true,
		  "slower than TCG" },
		{ true, true, false, NO, CONFIG_ACCEL_KVM, -1, CONFIG_ACCEL_AUTO, false,
		  "/dev/kvm does not open: No such file" },
		{ true, true, false, 0, CONFIG_ACCEL_TCG, 0, CONFIG_ACCEL_TCG, true,
		  "accel = \"tcg\"" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct host_facts f = { .kvm_needs_cpu_flag = cases[i].needs_flag,
					      .cpu_vmx = cases[i].vmx,
					      .cpu_svm = cases[i].svm,
					      .kvm_errno = cases[i].kvm_errno };
		struct host_reason why = { .warning = false };
		enum config_accel got = CONFIG_ACCEL_AUTO;
		struct err e = ERR_INIT;

		assert_int_equal(host_choose_accel(&f, cases[i].wanted, &got, &why, &e),
				 cases[i].r);
		assert_int_equal(got, cases[i].got);
		assert_int_equal(why.warning, cases[i].warning);
		if (!strstr(cases[i].r < 0 ? e.text : why.text, cases[i].text))
			fail_msg("case %zu: '%s%s' lacks '%s'", i, e.text, why.text, cases[i].text);
		if (cases[i].r < 0)
			assert_int_equal(e.code, ERR_UNSUPPORTED);
	}
}

static void test_transport(void **state)
{
	static const struct {
		int vsock_errno;
		const char *daemon;
		enum config_transport wanted;
		int r;
		enum config_transport got;
		const char *text;
	} cases[] = {
		{ 0, "/d", CONFIG_TRANSPORT_AUTO, 0, CONFIG_TRANSPORT_VSOCK, "vhost-vsock opens" },
		{ 0, "", CONFIG_TRANSPORT_AUTO, 0, CONFIG_TRANSPORT_VSOCK, "vhost-vsock opens" },
		{ NO, "/d", CONFIG_TRANSPORT_AUTO, 0, CONFIG_TRANSPORT_HVSOCK, "/d is there" },
		{ NO, "", CONFIG_TRANSPORT_AUTO, 0, CONFIG_TRANSPORT_SERIAL, "always possible" },
		{ NO, "/d", CONFIG_TRANSPORT_VSOCK, -1, CONFIG_TRANSPORT_AUTO,
		  "modprobe vhost_vsock" },
		{ 0, "", CONFIG_TRANSPORT_VSOCK, 0, CONFIG_TRANSPORT_VSOCK, "\"vsock\"" },
		{ 0, "", CONFIG_TRANSPORT_HVSOCK, -1, CONFIG_TRANSPORT_AUTO,
		  "no vhost-device-vsock was found" },
		{ 0, "/d", CONFIG_TRANSPORT_HVSOCK, 0, CONFIG_TRANSPORT_HVSOCK, "through /d" },
		{ 0, "/d", CONFIG_TRANSPORT_SERIAL, 0, CONFIG_TRANSPORT_SERIAL, "\"serial\"" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		auto_free char *daemon_path = xstrdup(cases[i].daemon);
		const struct host_facts f = { .vhost_vsock_errno = cases[i].vsock_errno,
					      .vsock_daemon = daemon_path };
		struct host_reason why = { .warning = false };
		enum config_transport got = CONFIG_TRANSPORT_AUTO;
		struct err e = ERR_INIT;

		assert_int_equal(host_choose_transport(&f, cases[i].wanted, &got, &why, &e),
				 cases[i].r);
		assert_int_equal(got, cases[i].got);
		if (!strstr(cases[i].r < 0 ? e.text : why.text, cases[i].text))
			fail_msg("case %zu: '%s%s' lacks '%s'", i, e.text, why.text, cases[i].text);
		if (cases[i].r < 0)
			assert_int_equal(e.code, ERR_UNSUPPORTED);
	}
}

/* The names used in messages are those that the configuration takes. */
static void test_names(void **state)
{
	(void)state;
	assert_string_equal(host_accel_name(CONFIG_ACCEL_AUTO), "auto");
	assert_string_equal(host_accel_name(CONFIG_ACCEL_KVM), "kvm");
	assert_string_equal(host_accel_name(CONFIG_ACCEL_TCG), "tcg");
	assert_string_equal(host_transport_name(CONFIG_TRANSPORT_AUTO), "auto");
	assert_string_equal(host_transport_name(CONFIG_TRANSPORT_VSOCK), "vsock");
	assert_string_equal(host_transport_name(CONFIG_TRANSPORT_HVSOCK), "hybrid-vsock");
	assert_string_equal(host_transport_name(CONFIG_TRANSPORT_SERIAL), "serial");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_empty_host, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_cpu_flags, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_devices_and_daemon, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_find_program, set_up, tear_down),
		cmocka_unit_test(test_accelerator),
		cmocka_unit_test(test_transport),
		cmocka_unit_test(test_names),
	};

	/* The directories searched are part of what is tested. */
	(void)setenv("PATH", "/usr/bin:/bin", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
