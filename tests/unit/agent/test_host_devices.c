/* SPDX-License-Identifier: Apache-2.0 */
/* Devices of the host in a specification: numbers, rules, errors. The guest's are /dev/null and others. */
#include "tests/lib/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "agent/container/host_devices.h"
#include "agent/device/passthrough.h"
#include "agent/device/watch.h"
#include "agent/modules.h"
#include "agent/storage/block.h"
#include "common/base/mem.h"
#include "common/base/path.h"

#define HOST_A "0000:3b:00.1"
#define HOST_B "0000:3b:00.2"

/* In the place of agent/storage/block.c: the id names the node. */
int block_wait(struct device_watch *w, const char *driver, const char *source, char **ret_node,
	       struct err *e)
{
	(void)w;
	(void)driver;
	if (strcmp(source, "late") == 0)
		return err_set(e, ERR_TIMEOUT, "it has not come");
	*ret_node = xstrdup(source);
	return 0;
}

int modules_demand(const char *name, struct err *e)
{
	(void)name;
	(void)e;
	return 0;
}

int passthrough_to_guest(struct device_watch *w, char *const *option, size_t n, char ***pci_map,
			 struct err *e)
{
	(void)w;
	(void)e;
	for (size_t i = 0; i < n; i++)
		strv_add(pci_map, option[i]);
	return 0;
}

int passthrough_to_container(struct device_watch *w, char *const *option, size_t n, char ***pci_map,
			     char **ret_node, struct err *e)
{
	*ret_node = xstrdup("/dev/full");
	return passthrough_to_guest(w, option, n, pci_map, e);
}

static struct device_watch *watch;
static char dev[64]; /* in the place of /dev */

static int make_dev(void **state)
{
	(void)state;
	(void)snprintf(dev, sizeof(dev), "/tmp/husk-devices-XXXXXX");
	if (!mkdtemp(dev))
		return -1;
	watch = device_watch_new("/sys", dev, 0);
	return 0;
}

static int remove_dev(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	device_watch_free(watch);
	return path_remove_tree(AT_FDCWD, dev, &e);
}

static void add_device(Grpc__Linux *l, const char *path, int64_t major_number, int64_t minor_number)
{
	Grpc__LinuxDevice *d = xnew(Grpc__LinuxDevice);

	grpc__linux_device__init(d);
	d->path = xstrdup(path);
	d->type = xstrdup("c");
	d->major = major_number;
	d->minor = minor_number;
	l->devices = xrealloc(l->devices, (l->n_devices + 1) * sizeof(d));
	l->devices[l->n_devices++] = d;
}

static void add_rule(Grpc__Linux *l, const char *type, int64_t major_number, int64_t minor_number)
{
	Grpc__LinuxDeviceCgroup *r = xnew(Grpc__LinuxDeviceCgroup);

	grpc__linux_device_cgroup__init(r);
	r->type = xstrdup(type);
	r->major = major_number;
	r->minor = minor_number;
	l->resources->devices =
		xrealloc(l->resources->devices, (l->resources->n_devices + 1) * sizeof(r));
	l->resources->devices[l->resources->n_devices++] = r;
}

/*
 * /dev/a and /dev/b of the host are 1:5 and 1:3, in the guest 1:3 and 1:5: numbers that cross, which a
 * rewriting in place would map twice.
 */
static Grpc__Spec *make_spec(void)
{
	Grpc__Spec *spec = xnew(Grpc__Spec);

	grpc__spec__init(spec);
	spec->linux = xnew(Grpc__Linux);
	grpc__linux__init(spec->linux);
	spec->linux->resources = xnew(Grpc__LinuxResources);
	grpc__linux_resources__init(spec->linux->resources);
	add_device(spec->linux, "/dev/a", 1, 5);
	add_device(spec->linux, "/dev/b", 1, 3);
	add_device(spec->linux, "/dev/c", 1, 5);
	add_rule(spec->linux, "c", 1, 5);
	add_rule(spec->linux, "c", 1, 3);
	add_rule(spec->linux, "b", 1, 3);
	return spec;
}

static int add(Grpc__Spec *spec, const char *const (*rows)[3], size_t n, char ***pci_map,
	       struct err *e)
{
	Grpc__Device devices[4];
	Grpc__Device *list[4];
	char *option[] = { (char *)(uintptr_t)(HOST_A "=0000:01:00.0") };

	for (size_t i = 0; i < n; i++) {
		grpc__device__init(&devices[i]);
		devices[i].type = (char *)(uintptr_t)rows[i][0];
		devices[i].id = (char *)(uintptr_t)rows[i][1];
		devices[i].container_path = (char *)(uintptr_t)rows[i][2];
		devices[i].options = option;
		devices[i].n_options = 1;
		list[i] = &devices[i];
	}
	return host_devices_add(watch, list, n, spec, pci_map, e);
}

static void assert_rule(const Grpc__Spec *spec, size_t i, const char *type, int64_t major_number,
			int64_t minor_number)
{
	const Grpc__LinuxDeviceCgroup *r = spec->linux->resources->devices[i];

	assert_string_equal(r->type, type);
	assert_int_equal(r->major, major_number);
	assert_int_equal(r->minor, minor_number);
}

static void test_numbers(void **state)
{
	static const char *const rows[][3] = { { "blk", "/dev/null", "/dev/a" },
					       { "scsi", "/dev/zero", "/dev/b" } };
	Grpc__Spec *spec = make_spec();
	auto_strv char **pci_map = NULL;
	struct err e = ERR_INIT;

	(void)state;
	assert_ok(add(spec, rows, 2, &pci_map, &e), &e);
	assert_int_equal(spec->linux->devices[0]->minor, 3);
	assert_int_equal(spec->linux->devices[1]->minor, 5);
	assert_int_equal(spec->linux->devices[2]->minor, 5);
	assert_int_equal(spec->linux->resources->n_devices, 5);
	assert_rule(spec, 0, "c", 1, 3);
	assert_rule(spec, 1, "c", 1, 5);
	assert_rule(spec, 2, "b", 1, 3);
	assert_rule(spec, 3, "c", 1, 3);
	assert_rule(spec, 4, "c", 1, 5);
	assert_true(spec->linux->resources->devices[3]->allow);
	assert_string_equal(spec->linux->resources->devices[3]->access, "rwm");
	grpc__spec__free_unpacked(spec, NULL);
}

static void test_vfio(void **state)
{
	static const char *const rows[][3] = { { "vfio-pci", "12", "/dev/a" },
					       { "vfio-pci-gk", "13", "/dev/none" } };
	static const char list[] = "PCIDEVICE_X=" HOST_A "," HOST_B;
	static const char info[] = "PCIDEVICE_X_INFO={\"" HOST_A "\":{}}";
	static const char other[] = "OTHER=" HOST_A;
	static const char *const env[] = { list, info, other, "PCIDEVICE_Y=" };
	Grpc__Spec *spec = make_spec();
	auto_strv char **pci_map = NULL;
	Grpc__Process process;
	struct err e = ERR_INIT;

	(void)state;
	assert_ok(add(spec, rows, 2, &pci_map, &e), &e);
	assert_string_equal(spec->linux->devices[0]->path, "/dev/full");
	assert_int_equal(spec->linux->devices[0]->minor, 7);
	assert_int_equal(spec->linux->resources->n_devices, 4);
	grpc__spec__free_unpacked(spec, NULL);

	grpc__process__init(&process);
	process.env = xcalloc(ARRAY_LEN(env), sizeof(char *));
	process.n_env = ARRAY_LEN(env);
	for (size_t i = 0; i < ARRAY_LEN(env); i++)
		process.env[i] = xstrdup(env[i]);
	host_devices_map_environment(&process, pci_map);
	assert_string_equal(process.env[0], "PCIDEVICE_X=0000:01:00.0," HOST_B);
	assert_string_equal(process.env[1], "PCIDEVICE_X_INFO={\"0000:01:00.0\":{}}");
	assert_string_equal(process.env[2], env[2]);
	assert_string_equal(process.env[3], env[3]);
	for (size_t i = 0; i < ARRAY_LEN(env); i++)
		free(process.env[i]);
	free(process.env);
}

static const Grpc__LinuxDevice *device_at(const Grpc__Spec *spec, const char *path)
{
	const Grpc__LinuxDevice *found = NULL;

	for (size_t i = 0; i < spec->linux->n_devices; i++) {
		if (strcmp(spec->linux->devices[i]->path, path) != 0)
			continue;
		assert_null(found);
		found = spec->linux->devices[i];
	}
	return found;
}

/* Real nodes without the right to make some: those that every /dev has. */
static void test_infiniband(void **state)
{
	static const char *const disk[][3] = { { "blk", "/dev/null", "/dev/a" } };
	static const char *const card[][3] = { { "vfio-pci-gk", "13", "/dev/none" } };
	auto_free char *nodes = path_join(dev, "infiniband");
	Grpc__Spec *spec = make_spec();
	auto_strv char **pci_map = NULL;
	const Grpc__LinuxDevice *d;
	struct err e = ERR_INIT;
	size_t rules, before;

	(void)state;
	assert_int_equal(symlink("/dev", nodes), 0);
	assert_ok(add(spec, disk, 1, &pci_map, &e), &e);
	assert_null(device_at(spec, "/dev/infiniband/null"));

	add_device(spec->linux, "/dev/infiniband/zero", 231, 192);
	rules = spec->linux->resources->n_devices;
	before = spec->linux->n_devices;
	assert_ok(add(spec, card, 1, &pci_map, &e), &e);
	d = device_at(spec, "/dev/infiniband/null");
	assert_non_null(d);
	assert_string_equal(d->type, "c");
	assert_int_equal(d->major, 1);
	assert_int_equal(d->minor, 3);
	assert_int_equal(d->filemode, 0666);
	d = device_at(spec, "/dev/infiniband/zero");
	assert_int_equal(d->major, 1);
	assert_int_equal(d->minor, 5);
	assert_null(device_at(spec, "/dev/infiniband/stdin"));
	assert_int_equal(spec->linux->resources->n_devices - rules,
			 spec->linux->n_devices - before + 1);
	assert_true(spec->linux->resources->devices[rules]->allow);
	grpc__spec__free_unpacked(spec, NULL);
}

static void test_bad(void **state)
{
	static const struct {
		const char *rows[2][3];
		size_t n;
		enum err_code code;
		const char *part;
	} cases[] = {
		{ { { "", "x", "/dev/a" } }, 1, ERR_INVALID, "type is missing" },
		{ { { "blk", "", "/dev/a" } }, 1, ERR_INVALID, "id and its path" },
		{ { { "blk", "x", "" } }, 1, ERR_INVALID, "path in the container" },
		{ { { "floppy", "x", "/dev/a" } },
		  1,
		  ERR_INVALID,
		  "Failed to find the device handler floppy" },
		{ { { "blk", "late", "/dev/a" } }, 1, ERR_TIMEOUT, "'/dev/a': it has not come" },
		{ { { "blk", "/dev", "/dev/a" } }, 1, ERR_INVALID, "'/dev' is no device" },
		{ { { "blk", "/dev/null", "/dev/x" } },
		  1,
		  ERR_INVALID,
		  "Missing devices in OCI spec: /dev/x" },
		{ { { "blk", "/dev/null", "/dev/a" }, { "blk", "/dev/zero", "/dev/a" } },
		  2,
		  ERR_INVALID,
		  "two devices for '/dev/a'" },
		{ { { "blk", "/dev/null", "/dev/a" }, { "blk", "/dev/zero", "/dev/c" } },
		  2,
		  ERR_INVALID,
		  "the same device of the host" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		Grpc__Spec *spec = make_spec();
		auto_strv char **pci_map = NULL;
		struct err e;

		assert_err(add(spec, cases[i].rows, cases[i].n, &pci_map, &e), &e, cases[i].code,
			   cases[i].part);
		grpc__spec__free_unpacked(spec, NULL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_vfio),
		cmocka_unit_test(test_infiniband),
		cmocka_unit_test(test_bad),
	};

	return cmocka_run_group_tests(tests, make_dev, remove_dev);
}
