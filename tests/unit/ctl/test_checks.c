/* SPDX-License-Identifier: Apache-2.0 */
/* huskctl check on faked hosts: nothing there, everything there, programs that misbehave. */
#include "tests/lib/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "common/async/fiber.h"
#include "common/base/path.h"
#include "config/load.h"
#include "ctl/checks.h"

static struct {
	char root[64];
	struct config *config;
	struct buf text;
	unsigned missing;
} t;

static int set_up(void **state)
{
	const struct config_places nowhere = { .system_dir = "/nowhere",
					       .defaults_dir = "/nowhere" };
	struct err e = ERR_INIT;

	(void)state;
	memset(&t, 0, sizeof(t));
	(void)snprintf(t.root, sizeof(t.root), "/tmp/husk-checks-XXXXXX");
	if (!mkdtemp(t.root))
		return -1;
	return config_load_from(&nowhere, NULL, &t.config, &e);
}

static int tear_down(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	config_free(t.config);
	buf_done(&t.text);
	return path_remove_tree(AT_FDCWD, t.root, &e);
}

static void put(const char *name, mode_t mode, const char *text)
{
	auto_free char *path = path_join(t.root, name);
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

/* The daemon's default depends on the machine the test runs on. */
static void put_virtiofsd(const char *script)
{
	put(t.config->hypervisor.virtio_fs_daemon, 0755, script);
}

static void run(void *arg)
{
	(void)arg;
	t.missing = checks_run(t.root, t.config, &t.text);
}

static void want(const char *line)
{
	if (!strstr(t.text.data, line))
		fail_msg("no '%s' in:\n%s", line, t.text.data);
}

static void test_bare_host(void **state)
{
	(void)state;
	fiber_main(run, NULL);
	want("warn     /dev/kvm       does not open: No such file");
	want("warn     accelerator    tcg: ");
	want("ok       transport      serial: ");
	want("missing  hypervisor     no program /usr/bin/qemu-system-x86_64\n"
	     "                        -> apt install qemu-system-x86\n");
	want("missing  virtiofsd ");
	want("missing  guest kernel   no " HUSK_DATADIR "/guest/default/vmlinux\n");
	want("missing  guest initrd ");
	want("-> modprobe tun\n");
	want("warn     cgroup ");
	want("missing  containerd ");
	want("missing  shim ");
	want("warn     kubernetes ");
	assert_int_equal(t.missing, 6);
}

static void test_complete_host(void **state)
{
	(void)state;
	put("proc/cpuinfo", 0644, "flags\t: vmx\n");
	put("dev/kvm", 0600, "");
	put("dev/vhost-vsock", 0600, "");
	put("dev/net/tun", 0600, "");
	put("dev/mapper/control", 0600, "");
	put("sys/fs/cgroup/cgroup.controllers", 0600, "cpu\n");
	put("usr/bin/qemu-system-x86_64", 0755, "#!/bin/sh\necho QEMU 9\necho more\n");
	put_virtiofsd("#!/bin/sh\necho virtiofsd 1.10 >&2\n");
	put(HUSK_DATADIR "/guest/default/vmlinux", 0644, "");
	put(HUSK_DATADIR "/guest/default/initrd.img", 0644, "");
	put("usr/bin/containerd", 0755, "");
	put("usr/local/bin/containerd-shim-husk-v2", 0755, "");
	put("etc/containerd/conf.d/husk.toml", 0644, "runtime_type = \"io.containerd.husk.v2\"\n");
	fiber_main(run, NULL);
	want("ok       cpu            shows vmx\n");
	want("ok       accelerator    kvm: ");
	want("ok       transport      vsock: ");
	want("ok       hypervisor     /usr/bin/qemu-system-x86_64: QEMU 9\n");
	want(": virtiofsd 1.10\n");
	want("ok       cgroup         version 2\n");
	want("ok       device-mapper  there\n");
	want("ok       shim           /usr/local/bin/containerd-shim-husk-v2\n");
	want("ok       kubernetes ");
	assert_null(strstr(t.text.data, "missing "));
	assert_null(strstr(t.text.data, "warn "));
	assert_null(strstr(t.text.data, "->"));
	assert_int_equal(t.missing, 0);
}

static void test_programs_that_fail(void **state)
{
	(void)state;
	put("usr/bin/qemu-system-x86_64", 0755, "#!/bin/sh\necho no library; exit 127\n");
	put_virtiofsd("not a program");
	fiber_main(run, NULL);
	want("qemu-system-x86_64 --version: exit code 127: no library\n");
	want("exec: Exec format error\n");
	assert_int_equal(t.missing, 6);
}

static void test_wishes_that_cannot_be_met(void **state)
{
	(void)state;
	t.config->hypervisor.accel = CONFIG_ACCEL_KVM;
	t.config->hypervisor.transport = CONFIG_TRANSPORT_VSOCK;
	fiber_main(run, NULL);
	want("missing  accelerator    accel = \"kvm\", but /dev/kvm does not open");
	want("missing  transport      transport = \"vsock\", but /dev/vhost-vsock does not open");
	assert_int_equal(t.missing, 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_bare_host, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_complete_host, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_programs_that_fail, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_wishes_that_cannot_be_met, set_up, tear_down),
	};

	(void)setenv("PATH", "/usr/bin:/bin", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
