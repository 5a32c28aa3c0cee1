/* SPDX-License-Identifier: Apache-2.0 */
/*
 * QEMU's command line against golden files: one argument a line. HUSK_GOLDEN_WRITE=1 in the
 * environment writes them anew; look at the difference before you commit it.
 */
#include "tests/lib/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "hypervisor/passt.h"
#include "hypervisor/qemu/args.h"

#define TEXT(s) ((char *)(uintptr_t)(s))

static struct config base_config(void)
{
	return (struct config){
		.hypervisor = {
			.path = TEXT("/usr/bin/qemu-system-x86_64"),
			.kernel_params = TEXT(""),
			.machine_type = TEXT("q35"),
			.machine_accelerators = TEXT(""),
			.cpu_features = TEXT(""),
			.virtio_fs_queue_size = 1024,
			.entropy_source = TEXT("/dev/urandom"),
			.seccompsandbox = TEXT(""),
		},
	};
}

static struct qemu_choices base_choices(void)
{
	return (struct qemu_choices){
		.sandbox_id = "4f2a",
		.kernel = "/g/vmlinux",
		.initrd = "/g/initrd.img",
		.firmware = "",
		.accel = CONFIG_ACCEL_TCG,
		.transport = CONFIG_TRANSPORT_SERIAL,
		.size = { .vcpus = 1, .max_vcpus = 1, .memory_mib = 256, .max_memory_mib = 256 },
	};
}

static void compare(const char *name, const struct qemu_choices *q, const struct config *c)
{
	auto_free char *path = xasprintf("%s/tests/unit/hypervisor/golden/%s.args",
					 getenv("srcdir") ? getenv("srcdir") : ".", name);
	auto_strv char **args = qemu_args(q, c);
	auto_buf struct buf got = BUF_INIT;
	auto_free char *want = NULL;
	struct err e = ERR_INIT;

	for (char **a = args; *a; a++)
		buf_addf(&got, "%s\n", *a);
	if (getenv("HUSK_GOLDEN_WRITE")) {
		int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

		assert_true(fd >= 0);
		assert_int_equal(write_all(fd, got.data, got.len), 0);
		(void)close(fd);
	}
	assert_ok(file_read(AT_FDCWD, path, 65536, &want, NULL, &e), &e);
	assert_string_equal(got.data, want);
}

static void test_smallest(void **state)
{
	struct config c = base_config();
	struct qemu_choices q = base_choices();

	(void)state;
	q.tsc_khz = 2299998;
	compare("smallest", &q, &c);
}

/* Two NICs: one that the kernel serves, with three queues, and a plain one. */
static void test_nics(void **state)
{
	static const int fds[] = { 20, 21, 22 };
	const struct hv_nic nics[] = {
		{ .mac = { 2, 0, 0, 0, 0, 0xfe }, .n_queues = 3, .tap_fds = fds, .vhost_fds = fds },
		{ .mac = { 2, 0, 0, 0, 0, 1 }, .n_queues = 1, .tap_fds = fds },
	};
	struct config c = base_config();
	struct qemu_choices q = base_choices();

	(void)state;
	q.nics = nics;
	q.n_nics = ARRAY_LEN(nics);
	compare("nics", &q, &c);
}

/* What another process carries, and a network stack in QEMU; then the same with passt. */
static void test_user_nics(void **state)
{
	static const struct hv_port ports[] = {
		{ .address = "127.0.0.1", .host = 8080, .guest = 80 },
		{ .address = "0.0.0.0", .host = 5353, .guest = 53, .udp = true },
	};
	const struct hv_nic nics[] = {
		{ .kind = HV_NIC_VHOST_USER, .mac = { 2, 0, 0, 0, 0, 1 }, .n_queues = 2 },
		{ .kind = HV_NIC_USER,
		  .mac = { 2, 0, 0, 0, 0, 2 },
		  .n_queues = 1,
		  .ports = ports,
		  .n_ports = ARRAY_LEN(ports) },
	};
	struct config c = base_config();
	struct qemu_choices q = base_choices();

	(void)state;
	q.nics = nics;
	q.n_nics = ARRAY_LEN(nics);
	compare("user-nics", &q, &c);
	q.passt = true;
	compare("user-nics-passt", &q, &c);
}

/* All of them in a row, for free(). */
static char *joined(char **args)
{
	struct buf line = BUF_INIT;

	for (char **a = args; *a; a++)
		buf_addf(&line, " %s", *a);
	return line.data;
}

static void test_ipv6_of_a_user_nic(void **state)
{
	const struct hv_nic nic = { .kind = HV_NIC_USER, .n_queues = 1, .ipv6_link = "uplink" };
	struct config c = base_config();
	struct qemu_choices q = base_choices();
	auto_strv char **args = NULL;
	auto_free char *line = NULL;

	(void)state;
	q.nics = &nic;
	q.n_nics = 1;
	args = qemu_args(&q, &c);
	line = joined(args);
	assert_non_null(strstr(line,
			       "dns=10.0.2.3,ipv6-net=fd68:7573:6b::/64,ipv6-host=fd68:7573:6b::2,"
			       "ipv6-dns=fd68:7573:6b::3 "));
}

static void test_passt_args(void **state)
{
	static const struct hv_port ports[] = {
		{ .address = "127.0.0.1", .host = 8080, .guest = 80 },
		{ .address = "0.0.0.0", .host = 8081, .guest = 81 },
	};
	const struct hv_nic nic = { .kind = HV_NIC_USER, .ports = ports, .n_ports = 2 };
	auto_strv char **args = passt_args("/usr/bin/passt", &nic, 3);
	auto_free char *line = joined(args);

	(void)state;
	assert_non_null(strstr(line, " --fd 3 --tcp-ports 127.0.0.1/8080:80 "
				     "--tcp-ports 0.0.0.0/8081:81 --udp-ports none"));
	assert_non_null(strstr(line, " --ipv4-only --interface lo "));
	assert_null(strstr(line, "fd68:"));
}

static void test_passt_args_with_ipv6(void **state)
{
	static const struct hv_port ports[] = {
		{ .address = "::1", .host = 8080, .guest = 80 },
		{ .address = "::", .host = 5353, .guest = 53, .udp = true },
	};
	const struct hv_nic nic = {
		.kind = HV_NIC_USER, .ports = ports, .n_ports = 2, .ipv6_link = "uplink"
	};
	auto_strv char **args = passt_args("/usr/bin/passt", &nic, 3);
	auto_free char *line = joined(args);

	(void)state;
	assert_non_null(strstr(line, " --tcp-ports ::1/8080:80 --udp-ports 5353:53"));
	assert_non_null(strstr(line, " --address fd68:7573:6b::15 --gateway fd68:7573:6b::2 "
				     "--dns-forward fd68:7573:6b::3 --interface uplink "));
	assert_null(strstr(line, "--ipv4-only"));
}

static void test_ports_that_passt_cannot_publish(void **state)
{
	struct hv_port ports[] = {
		{ .address = "127.0.0.1", .host = 8080, .guest = 80 },
		{ .address = "::1", .host = 8080, .guest = 80, .udp = true },
	};
	const struct hv_nic nic = { .kind = HV_NIC_USER, .ports = ports, .n_ports = 2 };
	struct err e = ERR_INIT;

	(void)state;
	assert_ok(passt_check_ports(&nic, &e), &e);
	ports[1].udp = false;
	assert_err(passt_check_ports(&nic, &e), &e, ERR_INVALID,
		   "published_ports: tcp port 8080 of 127.0.0.1 and of ::1");
}

static void test_growing(void **state)
{
	struct config c = base_config();
	struct qemu_choices q = base_choices();

	(void)state;
	q.size.max_vcpus = 8;
	q.size.max_memory_mib = 4096;
	q.size.memory_slots = 10;
	compare("growing", &q, &c);
}

static void test_vsock_kvm_share(void **state)
{
	struct config c = base_config();
	struct qemu_choices q = base_choices();

	(void)state;
	c.hypervisor.cpu_features = TEXT("pmu=off");
	c.hypervisor.machine_accelerators = TEXT("kernel_irqchip=split");
	c.hypervisor.seccompsandbox = TEXT("on,obsolete=deny,spawn=deny");
	q.accel = CONFIG_ACCEL_KVM;
	q.transport = CONFIG_TRANSPORT_VSOCK;
	q.guest_cid = 4000000000u;
	q.size.vcpus = q.size.max_vcpus = 4;
	q.size.memory_mib = q.size.max_memory_mib = 2048;
	q.share = true;
	compare("vsock-kvm-share", &q, &c);
}

static void test_hybrid_vsock_debug(void **state)
{
	struct config c = base_config();
	struct qemu_choices q = base_choices();

	(void)state;
	c.hypervisor.enable_debug = true;
	c.hypervisor.kernel_params = TEXT("panic=5 quiet=no");
	c.hypervisor.entropy_source = TEXT("/odd,name");
	c.agent.enable_debug = true;
	c.agent.container_pipe_size = 65536;
	q.transport = CONFIG_TRANSPORT_HVSOCK;
	q.debug_console = true;
	q.firmware = "/fw.rom";
	compare("hybrid-vsock-debug", &q, &c);
}

static void test_serial_debug_share(void **state)
{
	struct config c = base_config();
	struct qemu_choices q = base_choices();

	(void)state;
	c.hypervisor.machine_type = TEXT("microvm");
	q.debug_console = true;
	q.agent_listens = true;
	q.share = true;
	compare("serial-debug-share", &q, &c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_smallest),
		cmocka_unit_test(test_nics),
		cmocka_unit_test(test_user_nics),
		cmocka_unit_test(test_ipv6_of_a_user_nic),
		cmocka_unit_test(test_passt_args),
		cmocka_unit_test(test_passt_args_with_ipv6),
		cmocka_unit_test(test_ports_that_passt_cannot_publish),
		cmocka_unit_test(test_growing),
		cmocka_unit_test(test_vsock_kvm_share),
		cmocka_unit_test(test_hybrid_vsock_debug),
		cmocka_unit_test(test_serial_debug_share),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
