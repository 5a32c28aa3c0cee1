/* SPDX-License-Identifier: Apache-2.0 */
/* Resources written to the files of a directory that stands in for a cgroup, and what is counted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/cgroup/cgroup_private.h"
#include "agent/cgroup/root.h"
#include "common/base/fd.h"
#include "common/base/path.h"

static char dir[] = "/tmp/husk-cgroup-XXXXXX";
static struct cgroup *cg;

static void put(const char *file, const char *text)
{
	int fd = openat(cg->fd, file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write_all(fd, text, strlen(text)), 0);
	assert_int_equal(close(fd), 0);
}

static void assert_file(const char *file, const char *want)
{
	struct err e = ERR_INIT;
	char *text = NULL;

	assert_int_equal(file_read(cg->fd, file, 65536, &text, NULL, &e), 0);
	assert_string_equal(text, want);
	free(text);
}

static int set_up(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	memcpy(dir, "/tmp/husk-cgroup-XXXXXX", sizeof(dir));
	assert_non_null(mkdtemp(dir));
	cg = cgroup_create_at(dir, "/pod/one", &e);
	assert_non_null(cg);
	return 0;
}

static int tear_down(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	cgroup_free(cg);
	assert_int_equal(path_remove_tree(AT_FDCWD, dir, &e), 0);
	return 0;
}

static void finds_the_hierarchy(void **state)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{ "1 0 0:1 / /proc rw - proc proc rw\n"
		  "2 0 0:2 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw\n",
		  "/sys/fs/cgroup" },
		{ "2 0 0:2 / /with\\040space rw - cgroup2 none rw\n", "/with space" },
		{ "2 0 0:2 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n", NULL },
		{ "2 0 0:2 / /cgroup2 rw - tmpfs cgroup2 rw\n", NULL },
		{ "", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char *root = cgroup_root_parse(cases[i].text);

		if (cases[i].want) {
			assert_non_null(root);
			assert_string_equal(root, cases[i].want);
		} else {
			assert_null(root);
		}
		free(root);
	}
}

static void converts_weights(void **state)
{
	(void)state;
	assert_int_equal(cgroup_cpu_weight(1), 1);
	assert_int_equal(cgroup_cpu_weight(2), 1);
	assert_int_equal(cgroup_cpu_weight(1024), 39);
	assert_int_equal(cgroup_cpu_weight(262144), 10000);
	assert_int_equal(cgroup_cpu_weight(UINT64_MAX), 10000);
	assert_int_equal(cgroup_io_weight(9), 1);
	assert_int_equal(cgroup_io_weight(10), 1);
	assert_int_equal(cgroup_io_weight(500), 4950);
	assert_int_equal(cgroup_io_weight(1000), 10000);
}

static void finds_keys(void **state)
{
	uint64_t value = 77;

	(void)state;
	assert_true(cgroup_parse_key("low 1\nmax 2\noom_kill 3\n", "oom_kill", &value));
	assert_int_equal(value, 3);
	assert_true(cgroup_parse_key("oom 5", "oom", &value));
	assert_int_equal(value, 5);
	assert_false(cgroup_parse_key("oom_kill 3\n", "oom", &value));
	assert_false(cgroup_parse_key("oom x\n", "oom", &value));
	assert_false(cgroup_parse_key("", "oom", &value));
	assert_int_equal(value, 5);
}

static Grpc__LinuxResources resources;
static Grpc__LinuxMemory memory;
static Grpc__LinuxCPU cpu;
static Grpc__LinuxPids pids;

static void clear_resources(void)
{
	grpc__linux_resources__init(&resources);
	grpc__linux_memory__init(&memory);
	grpc__linux_cpu__init(&cpu);
	grpc__linux_pids__init(&pids);
	resources.memory = &memory;
	resources.cpu = &cpu;
}

static void writes_limits(void **state)
{
	struct err e = ERR_INIT;
	char *skipped = NULL;

	(void)state;
	put("memory.max", "");
	put("memory.low", "");
	put("memory.swap.max", "");
	put("cpu.max", "max 100000\n");
	put("cpu.weight", "");
	put("cpuset.cpus", "");
	put("pids.max", "");
	clear_resources();
	memory.limit = 1048576;
	memory.swap = 3145728;
	memory.reservation = 4096;
	cpu.shares = 1024;
	cpu.quota = 50000;
	cpu.cpus = (char *)(uintptr_t) "0-1";
	pids.limit = 9;
	resources.pids = &pids;
	assert_int_equal(cgroup_apply(cg, &resources, &skipped, &e), 0);
	assert_null(skipped);
	assert_file("memory.max", "1048576");
	assert_file("memory.swap.max", "2097152");
	assert_file("memory.low", "4096");
	assert_file("cpu.weight", "39");
	assert_file("cpu.max", "50000 100000");
	assert_file("cpuset.cpus", "0-1");
	assert_file("pids.max", "9");
}

/* An update leaves alone what it does not mention, and -1 takes a limit off. */
static void updates_in_part(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	put("memory.max", "4096\n");
	put("memory.swap.max", "");
	put("cpu.max", "30000 90000");
	put("pids.max", "");
	clear_resources();
	cpu.period = 50000;
	memory.swap = 5000;
	resources.pids = &pids;
	assert_int_equal(cgroup_apply(cg, &resources, NULL, &e), 0);
	assert_file("cpu.max", "30000 50000");
	assert_file("memory.max", "4096\n");
	assert_file("memory.swap.max", "904");
	assert_file("pids.max", "max");

	put("memory.max", "");
	put("memory.swap.max", "");
	clear_resources();
	memory.limit = -1;
	assert_int_equal(cgroup_apply(cg, &resources, NULL, &e), 0);
	assert_file("memory.max", "max");
	assert_file("memory.swap.max", "max");
}

static void names_the_file_of_a_limit_that_cannot_be_set(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	clear_resources();
	memory.limit = 4096;
	assert_int_equal(cgroup_apply(cg, &resources, NULL, &e), -1);
	assert_int_equal(e.code, ERR_UNSUPPORTED);
	assert_non_null(strstr(e.text, "memory.max"));
}

static void notes_what_is_only_a_preference(void **state)
{
	struct err e = ERR_INIT;
	Grpc__LinuxBlockIO block_io = GRPC__LINUX_BLOCK_IO__INIT;
	Grpc__LinuxNetwork network = GRPC__LINUX_NETWORK__INIT;
	char *skipped = NULL;

	(void)state;
	put("memory.max", "");
	clear_resources();
	memory.limit = 4096;
	memory.swap = 4096; /* no swap */
	memory.swappiness = 5;
	cpu.shares = 2;
	block_io.leafweight = 10;
	network.classid = 1;
	resources.blockio = &block_io;
	resources.network = &network;
	assert_int_equal(cgroup_apply(cg, &resources, &skipped, &e), 0);
	assert_string_equal(skipped, "cpu.weight, memory.swap.max, swappiness, leaf weight, "
				     "network class and priorities");
	free(skipped);
}

static void refuses_swap_below_memory(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	put("memory.max", "");
	clear_resources();
	memory.limit = 4096;
	memory.swap = 4095;
	assert_int_equal(cgroup_apply(cg, &resources, NULL, &e), -1);
	assert_int_equal(e.code, ERR_INVALID);
}

static void checks_the_size_of_huge_pages(void **state)
{
	static const struct {
		const char *size;
		int want;
	} cases[] = { { "2MB", 0 },       { "1GB", 0 },  { "../x", -1 }, { "MB", -1 },
		      { "2MB/../x", -1 }, { "2mb", -1 }, { "", -1 } };
	Grpc__LinuxHugepageLimit limit, *limits[] = { &limit };

	(void)state;
	grpc__linux_hugepage_limit__init(&limit);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = ERR_INIT;

		clear_resources();
		limit.pagesize = (char *)(uintptr_t)cases[i].size;
		resources.hugepagelimits = limits;
		resources.n_hugepagelimits = 1;
		assert_int_equal(cgroup_apply(cg, &resources, NULL, &e), cases[i].want);
	}
}

static void counts(void **state)
{
	struct err e = ERR_INIT;
	Grpc__CgroupStats *s;

	(void)state;
	put("cpu.stat", "usage_usec 30\nuser_usec 20\nsystem_usec 10\nnr_periods 4\n"
			"nr_throttled 3\nthrottled_usec 2\n");
	put("memory.current", "100\n");
	put("memory.peak", "200\n");
	put("memory.max", "max\n");
	put("memory.events", "low 0\nhigh 0\nmax 6\noom 1\noom_kill 1\n");
	put("memory.stat", "anon 11\nfile 12\nbad\n");
	put("memory.swap.max", "300\n");
	put("pids.current", "5\n");
	put("pids.max", "max\n");
	put("io.stat", "8:16 rbytes=1 wbytes=2 rios=3\nnonsense\n");
	put("hugetlb.2MB.current", "4096\n");
	put("hugetlb.2MB.events", "max 2\n");
	put("hugetlb.2MB.rsvd.current", "1\n");
	s = cgroup_stats(cg, &e);
	assert_non_null(s);
	assert_int_equal(s->cpu_stats->cpu_usage->total_usage, 30000);
	assert_int_equal(s->cpu_stats->cpu_usage->usage_in_kernelmode, 10000);
	assert_int_equal(s->cpu_stats->throttling_data->throttled_time, 2000);
	assert_int_equal(s->memory_stats->usage->usage, 100);
	assert_int_equal(s->memory_stats->usage->max_usage, 200);
	assert_true(s->memory_stats->usage->limit == UINT64_MAX);
	assert_int_equal(s->memory_stats->usage->failcnt, 6);
	assert_int_equal(s->memory_stats->swap_usage->limit, 300);
	assert_int_equal(s->memory_stats->cache, 12);
	assert_int_equal(s->memory_stats->n_stats, 2);
	assert_string_equal(s->memory_stats->stats[1]->key, "file");
	assert_int_equal(s->pids_stats->current, 5);
	assert_int_equal(s->pids_stats->limit, 0);
	assert_int_equal(s->blkio_stats->n_io_service_bytes_recursive, 3);
	assert_string_equal(s->blkio_stats->io_service_bytes_recursive[1]->op, "write");
	assert_int_equal(s->blkio_stats->io_service_bytes_recursive[2]->minor, 16);
	assert_int_equal(s->n_hugetlb_stats, 1);
	assert_string_equal(s->hugetlb_stats[0]->key, "2MB");
	assert_int_equal(s->hugetlb_stats[0]->value->failcnt, 2);
	grpc__cgroup_stats__free_unpacked(s, NULL);
}

static void counts_nothing_without_controllers(void **state)
{
	struct err e = ERR_INIT;
	Grpc__CgroupStats *s = cgroup_stats(cg, &e);
	uint64_t kills = 7;

	(void)state;
	assert_non_null(s);
	assert_int_equal(s->memory_stats->usage->usage, 0);
	grpc__cgroup_stats__free_unpacked(s, NULL);
	assert_int_equal(cgroup_oom_kills(cg, &kills, &e), 0);
	assert_int_equal(kills, 0);
	assert_int_equal(cgroup_watch_fd(cg, &e), -1);
	assert_int_equal(e.code, ERR_UNSUPPORTED);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

/* As Kata's agent names the directory; systemd's spelling is read before, and what comes of it checked. */
static void makes_a_slash_of_a_colon(void **state)
{
	static const struct {
		const char *given, *want; /* NULL: refused */
	} cases[] = {
		{ "/a:b:c", "/a/b/c" },    { "b:c", "/b/c" },
		{ "b:d:e:f", "/b/d/e/f" }, { "a.slice:cri:one", "/a.slice/cri-one.scope" },
		{ "a:..", NULL },          { "/a:..:..:b", NULL },
		{ "/a::b", NULL },         { ":g", "/g" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = ERR_INIT;
		struct cgroup *made = cgroup_create_at(dir, cases[i].given, &e);

		if (cases[i].want) {
			assert_non_null(made);
			assert_string_equal(cgroup_path(made), cases[i].want);
		} else {
			assert_null(made);
			assert_int_equal(e.code, ERR_INVALID);
		}
		cgroup_free(made);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_the_hierarchy),
		cmocka_unit_test(converts_weights),
		cmocka_unit_test(finds_keys),
		CASE(makes_a_slash_of_a_colon),
		CASE(writes_limits),
		CASE(updates_in_part),
		CASE(names_the_file_of_a_limit_that_cannot_be_set),
		CASE(notes_what_is_only_a_preference),
		CASE(refuses_swap_below_memory),
		CASE(checks_the_size_of_huge_pages),
		CASE(counts),
		CASE(counts_nothing_without_controllers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
