/* SPDX-License-Identifier: Apache-2.0 */
/* Cgroups of version 1 on a tree of ordinary files: where they are mounted, what limits become. */
#include "tests/lib/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/cgroup/v1.h"
#include "common/base/fd.h"
#include "common/base/path.h"

static char tree[64];
static struct cgroup cg;

/* Controller directories, each with files that hold something. */
static int set_up(void **state)
{
	static const struct {
		const char *controllers, *name;
		const char *files[10];
	} hierarchies[] = {
		{ ",cpu,cpuacct,",
		  "cpu,cpuacct",
		  { "cpu.shares", "cpu.cfs_quota_us", "cpu.cfs_period_us", "cpu.rt_period_us",
		    "cpu.rt_runtime_us", "cpu.stat", "cpuacct.usage", "cpuacct.stat",
		    "cpuacct.usage_percpu" } },
		{ ",memory,",
		  "memory",
		  { "memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "memory.swappiness",
		    "memory.soft_limit_in_bytes", "memory.stat", "memory.usage_in_bytes",
		    "memory.oom_control" } },
		{ ",devices,", "devices", { "devices.allow", "devices.deny" } },
		{ ",blkio,",
		  "blkio",
		  { "blkio.throttle.read_bps_device",
		    "blkio.throttle.io_service_bytes_recursive" } },
		{ ",pids,", "pids", { "pids.max", "pids.current" } },
	};

	(void)state;
	memset(&cg, 0, sizeof(cg));
	(void)snprintf(tree, sizeof(tree), "/tmp/husk-cgroup-v1-XXXXXX");
	if (!mkdtemp(tree))
		return -1;
	cg.path = xstrdup("/c");
	cg.v1 = xnew(struct cgroup_v1);
	for (size_t i = 0; i < ARRAY_LEN(hierarchies); i++) {
		struct v1_hierarchy *h = &cg.v1->h[cg.v1->n++];

		h->controllers = xstrdup(hierarchies[i].controllers);
		h->mount_point = path_join(tree, hierarchies[i].name);
		h->rootfd = -1;
		if (mkdir(h->mount_point, 0755) < 0)
			return -1;
		h->fd = open(h->mount_point, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		for (size_t k = 0; hierarchies[i].files[k]; k++)
			(void)close(openat(h->fd, hierarchies[i].files[k],
					   O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
	}
	return 0;
}

static int tear_down(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	v1_done(cg.v1);
	free(cg.v1);
	free(cg.path);
	return path_remove_tree(AT_FDCWD, tree, &e);
}

static void put(const char *controller, const char *file, const char *text)
{
	struct err e = ERR_INIT;

	assert_ok(file_write(v1_dir(&cg, controller), file, text, strlen(text), &e), &e);
}

static void assert_file(const char *controller, const char *file, const char *want)
{
	auto_free char *got = NULL;
	struct err e = ERR_INIT;

	assert_ok(file_read(v1_dir(&cg, controller), file, 4096, &got, NULL, &e), &e);
	assert_string_equal(got, want);
}

static void finds_the_hierarchies(void **state)
{
	static const char mountinfo[] =
		"20 1 0:18 / /sys rw - sysfs sysfs rw\n"
		"30 20 0:25 / /sys/fs/cgroup ro - tmpfs tmpfs ro,mode=755\n"
		"31 30 0:26 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n"
		"32 30 0:27 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
		"33 30 0:28 / /sys/fs/cgroup/a\\040b rw - cgroup cgroup rw,memory\n";
	struct cgroup_v1 v;

	(void)state;
	assert_true(v1_parse_mounts(mountinfo, &v));
	assert_int_equal(v.n, 2);
	assert_string_equal(v.h[0].controllers, ",cpu,cpuacct,");
	assert_string_equal(v.h[0].mount_point, "/sys/fs/cgroup/cpu,cpuacct");
	assert_string_equal(v.h[1].mount_point, "/sys/fs/cgroup/a b");
	v1_done(&v);
	assert_false(v1_parse_mounts("1 0 0:1 / / rw - cgroup2 cgroup2 rw\n", &v));
}

static void knows_controllers_by_name(void **state)
{
	(void)state;
	assert_true(v1_dir(&cg, "cpu") >= 0);
	assert_int_equal(v1_dir(&cg, "cpu"), v1_dir(&cg, "cpuacct"));
	assert_int_equal(v1_dir(&cg, "cpuset"), -1);
	assert_int_equal(v1_dir(&cg, "mem"), -1);
}

static void refuses_long_lists(void **state)
{
	Grpc__LinuxWeightDevice weight = GRPC__LINUX_WEIGHT_DEVICE__INIT;
	Grpc__LinuxWeightDevice *weights[1025];
	Grpc__LinuxBlockIO io = GRPC__LINUX_BLOCK_IO__INIT;
	Grpc__LinuxResources r = GRPC__LINUX_RESOURCES__INIT;
	struct err e = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(weights); i++)
		weights[i] = &weight;
	io.weightdevice = weights;
	io.n_weightdevice = ARRAY_LEN(weights);
	r.blockio = &io;
	assert_err(cgroup_apply(&cg, &r, NULL, &e), &e, ERR_EXHAUSTED, "1024 entries");
}

static void writes_limits(void **state)
{
	Grpc__LinuxThrottleDevice throttle = GRPC__LINUX_THROTTLE_DEVICE__INIT;
	Grpc__LinuxThrottleDevice *throttles[] = { &throttle };
	Grpc__LinuxBlockIO io = GRPC__LINUX_BLOCK_IO__INIT;
	Grpc__LinuxResources r = GRPC__LINUX_RESOURCES__INIT;
	Grpc__LinuxMemory memory = GRPC__LINUX_MEMORY__INIT;
	Grpc__LinuxCPU cpu;
	Grpc__LinuxPids pids = GRPC__LINUX_PIDS__INIT;
	auto_free char *skipped = NULL;
	struct err e = ERR_INIT;

	(void)state;
	grpc__linux_cpu__init(&cpu);
	cpu.shares = 512;
	cpu.quota = -1;
	cpu.period = 100000;
	memory.limit = 1 << 20;
	memory.swap = 2 << 20;
	memory.swappiness = 60;
	memory.kernel = 1;
	pids.limit = 7;
	throttle.major = 8;
	throttle.rate = 1000;
	io.throttlereadbpsdevice = throttles;
	io.n_throttlereadbpsdevice = 1;
	r.cpu = &cpu;
	r.memory = &memory;
	r.pids = &pids;
	r.blockio = &io;
	assert_ok(cgroup_apply(&cg, &r, &skipped, &e), &e);
	assert_file("cpu", "cpu.shares", "512");
	assert_file("cpu", "cpu.cfs_quota_us", "-1");
	assert_file("cpu", "cpu.cfs_period_us", "100000");
	assert_file("memory", "memory.limit_in_bytes", "1048576");
	assert_file("memory", "memory.memsw.limit_in_bytes", "2097152");
	assert_file("memory", "memory.swappiness", "60");
	assert_file("pids", "pids.max", "7");
	assert_file("blkio", "blkio.throttle.read_bps_device", "8:0 1000");
	assert_string_equal(skipped, "kernel memory limits");
}

static void refuses_what_is_not_there(void **state)
{
	Grpc__LinuxResources r = GRPC__LINUX_RESOURCES__INIT;
	Grpc__LinuxMemory memory = GRPC__LINUX_MEMORY__INIT;
	Grpc__LinuxCPU cpu;
	struct err e = ERR_INIT;

	(void)state;
	grpc__linux_cpu__init(&cpu);
	cpu.cpus = (char *)(uintptr_t) "0";
	r.cpu = &cpu;
	assert_err(cgroup_apply(&cg, &r, NULL, &e), &e, ERR_UNSUPPORTED, "cpuset.cpus");
	memory.limit = 10;
	memory.swap = 5;
	r.cpu = NULL;
	r.memory = &memory;
	assert_err(cgroup_apply(&cg, &r, NULL, &e), &e, ERR_INVALID, "below the limit of memory");
}

/* The last line written is the last rule; what came before is the kernel's to add up. */
static void writes_device_rules(void **state)
{
	Grpc__LinuxDeviceCgroup deny;
	Grpc__LinuxDeviceCgroup allow;
	Grpc__LinuxDeviceCgroup *rules[] = { &deny, &allow };
	Grpc__LinuxResources r = GRPC__LINUX_RESOURCES__INIT;
	struct err e = ERR_INIT;

	(void)state;
	grpc__linux_device_cgroup__init(&deny);
	grpc__linux_device_cgroup__init(&allow);
	deny.access = (char *)(uintptr_t) "rwm";
	allow.allow = 1;
	allow.type = (char *)(uintptr_t) "b";
	allow.major = 253;
	allow.minor = -1;
	allow.access = (char *)(uintptr_t) "rw";
	r.devices = rules;
	r.n_devices = 2;
	assert_ok(cgroup_apply(&cg, &r, NULL, &e), &e);
	assert_file("devices", "devices.deny", "a");
	/* Written over each other in an ordinary file: the longest line shows behind the last. */
	{
		auto_free char *got = NULL;

		assert_ok(file_read(v1_dir(&cg, "devices"), "devices.allow", 4096, &got, NULL, &e),
			  &e);
		assert_memory_equal(got, "b 253:* rw", 10);
	}
}

static void reads_statistics(void **state)
{
	Grpc__CgroupStats *s;
	struct err e = ERR_INIT;

	(void)state;
	put("cpu", "cpuacct.usage", "5000\n");
	put("cpu", "cpuacct.usage_percpu", "2000 3000 \n");
	put("cpu", "cpuacct.stat", "user 3\nsystem 1\n");
	put("cpu", "cpu.stat", "nr_periods 4\nnr_throttled 2\nthrottled_time 77\n");
	put("memory", "memory.usage_in_bytes", "4096\n");
	put("memory", "memory.stat", "cache 10\nrss 20\n");
	put("blkio", "blkio.throttle.io_service_bytes_recursive",
	    "8:0 Read 4096\n8:0 Write 1\nTotal 4097\n");
	put("pids", "pids.current", "3\n");
	put("pids", "pids.max", "max\n");
	s = v1_stats(&cg, &e);
	assert_non_null(s);
	assert_int_equal(s->cpu_stats->cpu_usage->total_usage, 5000);
	assert_int_equal(s->cpu_stats->cpu_usage->n_percpu_usage, 2);
	assert_int_equal(s->cpu_stats->cpu_usage->percpu_usage[1], 3000);
	assert_int_equal(s->cpu_stats->cpu_usage->usage_in_usermode,
			 3 * (1000000000 / sysconf(_SC_CLK_TCK)));
	assert_int_equal(s->cpu_stats->throttling_data->throttled_time, 77);
	assert_int_equal(s->memory_stats->usage->usage, 4096);
	assert_int_equal(s->memory_stats->cache, 10);
	assert_int_equal(s->memory_stats->n_stats, 2);
	assert_int_equal(s->blkio_stats->n_io_service_bytes_recursive, 2);
	assert_string_equal(s->blkio_stats->io_service_bytes_recursive[0]->op, "read");
	assert_int_equal(s->pids_stats->current, 3);
	assert_int_equal(s->pids_stats->limit, 0);
	grpc__cgroup_stats__free_unpacked(s, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_the_hierarchies),
		cmocka_unit_test_setup_teardown(knows_controllers_by_name, set_up, tear_down),
		cmocka_unit_test_setup_teardown(writes_limits, set_up, tear_down),
		cmocka_unit_test_setup_teardown(refuses_long_lists, set_up, tear_down),
		cmocka_unit_test_setup_teardown(refuses_what_is_not_there, set_up, tear_down),
		cmocka_unit_test_setup_teardown(writes_device_rules, set_up, tear_down),
		cmocka_unit_test_setup_teardown(reads_statistics, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
