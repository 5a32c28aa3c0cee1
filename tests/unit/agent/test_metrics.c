/* SPDX-License-Identifier: Apache-2.0 */
/* Files of /proc to Prometheus text, from a tree of the test's own. */
#include "tests/lib/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "agent/guest/metrics.h"
#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/path.h"

static const struct {
	const char *name, *text;
} files[] = {
	{ "loadavg", "0.50 0.25 0.10 2/107 1234\n" },
	{ "stat", "cpu  10 20 30 40 50 60 70 80 90 100\ncpu0 1 2 3 4\nintr 5\n" },
	{ "meminfo",
	  "MemTotal:        1024 kB\nActive(anon):     12 kB\nHugePages_Total:       0\n" },
	{ "vmstat", "nr_free_pages 77\npgpgin 5\n" },
	{ "net/dev",
	  "Inter-|   Receive\n face |bytes\n  eth0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n" },
	{ "diskstats", " 254       0 vda 1 2 3 4 5 6 7 8 9 10 11\n" },
	{ "self/io", "rchar: 9\nwchar: 8\n" },
	{ "self/status",
	  "Name:\tagent\nVmRSS:\t    4 kB\nThreads:\t6\nvoluntary_ctxt_switches:\t3\n" },
	{ "self/stat",
	  "1 (a b) c) S 0 1 1 0 -1 4194560 9 0 0 0 200 100 7 8 20 0 6 0 1 4096 3 18\n" },
};

static void reads_proc(void **state)
{
	static const char *const lines[] = {
		"kata_agent_scrape_count 3\n",
		"kata_guest_load{item=\"load1\"} 0.50\n",
		"kata_guest_tasks{item=\"cur\"} 2\n",
		"kata_guest_tasks{item=\"max\"} 107\n",
		"kata_guest_cpu_time{cpu=\"total\",item=\"guest_nice\"} 100\n",
		"kata_guest_cpu_time{cpu=\"cpu0\",item=\"idle\"} 4\n",
		"kata_guest_meminfo{item=\"memtotal\"} 1024\n",
		"kata_guest_meminfo{item=\"active_anon\"} 12\n",
		"kata_guest_vm_stat{item=\"nr_free_pages\"} 77\n",
		"kata_guest_netdev_stat{interface=\"eth0\",item=\"recv_bytes\"} 1\n",
		"kata_guest_netdev_stat{interface=\"eth0\",item=\"sent_compressed\"} 16\n",
		"kata_guest_diskstat{disk=\"vda\",item=\"weighted_time_in_progress\"} 11\n",
		"kata_agent_io_stat{item=\"wchar\"} 8\n",
		"kata_agent_proc_status{item=\"vmrss\"} 4096\n",
		"kata_agent_threads 6\n",
		"kata_agent_total_vm 4096\n",
	};
	char dir[] = "/tmp/husk-metrics-XXXXXX";
	auto_free char *text = NULL;
	struct err e = ERR_INIT;

	(void)state;
	assert_non_null(mkdtemp(dir));
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		auto_free char *path = path_join(dir, files[i].name);
		auto_free char *parent = xstrndup(path, (size_t)(path_base(path) - path));
		auto_close int fd = -1;

		assert_int_equal(path_mkdirs(parent, 0755, &e), 0);
		fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
		assert_int_equal(write_all(fd, files[i].text, strlen(files[i].text)), 0);
	}
	text = metrics_text(dir, 3);
	for (size_t i = 0; i < ARRAY_LEN(lines); i++)
		if (!strstr(text, lines[i]))
			fail_msg("no line %s in:\n%s", lines[i], text);
	assert_null(strstr(text, "intr"));
	assert_int_equal(path_remove_tree(AT_FDCWD, dir, &e), 0);
}

static void copes_without_files(void **state)
{
	auto_free char *text = metrics_text("/none-such", 1);

	(void)state;
	assert_non_null(strstr(text, "# TYPE kata_guest_meminfo gauge\n"));
	assert_null(strstr(text, "kata_guest_meminfo{"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_proc),
		cmocka_unit_test(copes_without_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
