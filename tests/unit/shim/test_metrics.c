/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's figures in containerd's two messages, from guests with either version of cgroups. */
#include "tests/lib/test.h"

#include "cgroups_v1.pb-c.h"
#include "cgroups_v2.pb-c.h"
#include "shim/task/metrics.h"

static struct {
	Grpc__StatsContainerResponse response;
	Grpc__CgroupStats cgroup;
	Grpc__CpuStats cpu;
	Grpc__CpuUsage usage;
	Grpc__ThrottlingData throttling;
	Grpc__MemoryStats memory;
	Grpc__MemoryData memory_usage;
	Grpc__MemoryStats__StatsEntry entry[3], *entries[3];
	Grpc__PidsStats pids;
	Grpc__BlkioStats blkio;
	Grpc__BlkioStatsEntry io[4], *ios[4];
} in;

static void set_entry(size_t i, char *key, uint64_t value)
{
	grpc__memory_stats__stats_entry__init(&in.entry[i]);
	in.entry[i].key = key;
	in.entry[i].value = value;
	in.entries[i] = &in.entry[i];
}

static void set_io(size_t i, uint64_t minor, char *op, uint64_t value)
{
	grpc__blkio_stats_entry__init(&in.io[i]);
	in.io[i].major = 254;
	in.io[i].minor = minor;
	in.io[i].op = op;
	in.io[i].value = value;
	in.ios[i] = &in.io[i];
}

static int fill(void **state)
{
	static char anon[] = "anon", file[] = "file", cache[] = "total_cache";
	static char read_op[] = "read", write_op[] = "Write", rios[] = "rios";

	(void)state;
	grpc__stats_container_response__init(&in.response);
	grpc__cgroup_stats__init(&in.cgroup);
	grpc__cpu_stats__init(&in.cpu);
	grpc__cpu_usage__init(&in.usage);
	grpc__throttling_data__init(&in.throttling);
	grpc__memory_stats__init(&in.memory);
	grpc__memory_data__init(&in.memory_usage);
	grpc__pids_stats__init(&in.pids);
	grpc__blkio_stats__init(&in.blkio);
	in.response.cgroup_stats = &in.cgroup;
	in.cgroup.cpu_stats = &in.cpu;
	in.cpu.cpu_usage = &in.usage;
	in.cpu.throttling_data = &in.throttling;
	in.usage.total_usage = 5000000;
	in.usage.usage_in_usermode = 3000000;
	in.throttling.throttled_time = 7000;
	in.cgroup.memory_stats = &in.memory;
	in.memory.usage = &in.memory_usage;
	in.memory_usage.usage = 4096;
	in.memory_usage.limit = 1 << 20;
	set_entry(0, anon, 11);
	set_entry(1, file, 22);
	set_entry(2, cache, 99);
	in.memory.stats = in.entries;
	in.memory.n_stats = 3;
	in.cgroup.pids_stats = &in.pids;
	in.pids.current = 2;
	in.cgroup.blkio_stats = &in.blkio;
	set_io(0, 0, read_op, 100);
	set_io(1, 0, write_op, 200);
	set_io(2, 0, rios, 3);
	set_io(3, 16, read_op, 400);
	in.blkio.io_service_bytes_recursive = in.ios;
	in.blkio.n_io_service_bytes_recursive = 4;
	return 0;
}

static void test_v2(void **state)
{
	ProtobufCMessage *message = metrics_v2(&in.response, 1);
	const Io__Containerd__Cgroups__V2__Metrics *m = (const void *)message;

	(void)state;
	assert_string_equal(message->descriptor->name, "io.containerd.cgroups.v2.Metrics");
	assert_int_equal(m->cpu->usage_usec, 5000);
	assert_int_equal(m->cpu->user_usec, 3000);
	assert_int_equal(m->cpu->throttled_usec, 7);
	assert_int_equal(m->memory->anon, 11);
	assert_int_equal(m->memory->file, 22);
	assert_int_equal(m->memory->usage, 4096);
	assert_int_equal(m->memory->usage_limit, 1 << 20);
	assert_int_equal(m->memory_events->oom_kill, 1);
	assert_int_equal(m->pids->current, 2);
	assert_true(m->pids->limit == UINT64_MAX);
	assert_int_equal(m->io->n_usage, 2);
	assert_int_equal(m->io->usage[0]->rbytes, 100);
	assert_int_equal(m->io->usage[0]->wbytes, 200);
	assert_int_equal(m->io->usage[0]->rios, 3);
	assert_int_equal(m->io->usage[1]->rbytes, 400);
	protobuf_c_message_free_unpacked(message, NULL);
}

static void test_v1(void **state)
{
	ProtobufCMessage *message = metrics_v1(&in.response, 0);
	const Io__Containerd__Cgroups__V1__Metrics *m = (const void *)message;

	(void)state;
	assert_string_equal(message->descriptor->name, "io.containerd.cgroups.v1.Metrics");
	assert_int_equal(m->cpu->usage->total, 5000000);
	assert_int_equal(m->memory->rss, 11);
	assert_int_equal(m->memory->cache, 22);
	assert_int_equal(m->memory->total_rss, 11);
	/* Both names are there: the first that the row knows counts. */
	assert_int_equal(m->memory->total_cache, 22);
	assert_int_equal(m->memory->usage->usage, 4096);
	assert_int_equal(m->memory->usage->limit, 1 << 20);
	assert_int_equal(m->memory_oom_control->oom_kill, 0);
	assert_int_equal(m->blkio->n_io_service_bytes_recursive, 4);
	assert_string_equal(m->blkio->io_service_bytes_recursive[0]->op, "read");
	protobuf_c_message_free_unpacked(message, NULL);
}

/* An agent that answers with nothing in it still gives a message that containerd takes. */
static void test_empty(void **state)
{
	ProtobufCMessage *message;

	(void)state;
	in.response.cgroup_stats = NULL;
	message = metrics_v2(&in.response, 0);
	protobuf_c_message_free_unpacked(message, NULL);
	message = metrics_v1(&in.response, 0);
	protobuf_c_message_free_unpacked(message, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_v2, fill),
		cmocka_unit_test_setup(test_v1, fill),
		cmocka_unit_test_setup(test_empty, fill),
	};

	return cmocka_run_group_tests_name("shim metrics", tests, NULL, NULL);
}
