/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's figures as containerd's messages; see metrics.h. */
#include "shim/task/metrics.h"

#include <linux/magic.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>
#include <sys/vfs.h>

#include "cgroups_v1.pb-c.h"
#include "cgroups_v2.pb-c.h"
#include "common/base/mem.h"
#include "common/rpc/message.h"

#define NEW(type, descriptor) ((type *)(void *)message_new(&(descriptor)))

#define NS_PER_US      1000u
#define IO_ENTRIES_MAX 256 /* devices; the guest says how many there are */

/* A line of memory.stat: where its value goes, and its name under cgroup v2 and under v1. */
struct memory_row {
	size_t offset;
	const char *v2_key, *v1_key; /* NULL: that version has no such line */
};

#define V2(field, v1_key)                                                                \
	{                                                                                \
		offsetof(Io__Containerd__Cgroups__V2__MemoryStat, field), #field, v1_key \
	}
static const struct memory_row v2_rows[] = {
	V2(anon, "rss"),
	V2(file, "cache"),
	V2(kernel_stack, NULL),
	V2(slab, NULL),
	V2(sock, NULL),
	V2(shmem, "shmem"),
	V2(file_mapped, "mapped_file"),
	V2(file_dirty, "dirty"),
	V2(file_writeback, "writeback"),
	V2(anon_thp, "rss_huge"),
	V2(inactive_anon, "inactive_anon"),
	V2(active_anon, "active_anon"),
	V2(inactive_file, "inactive_file"),
	V2(active_file, "active_file"),
	V2(unevictable, "unevictable"),
	V2(slab_reclaimable, NULL),
	V2(slab_unreclaimable, NULL),
	V2(pgfault, "pgfault"),
	V2(pgmajfault, "pgmajfault"),
	V2(workingset_refault, "workingset_refault_file"),
	V2(workingset_activate, "workingset_activate_file"),
	V2(workingset_nodereclaim, "workingset_nodereclaim"),
	V2(pgrefill, NULL),
	V2(pgscan, NULL),
	V2(pgsteal, NULL),
	V2(pgactivate, NULL),
	V2(pgdeactivate, NULL),
	V2(pglazyfree, NULL),
	V2(pglazyfreed, NULL),
	V2(thp_fault_alloc, NULL),
	V2(thp_collapse_alloc, NULL),
};

#define V1(field, v2_key, v1_key)                                                        \
	{                                                                                \
		offsetof(Io__Containerd__Cgroups__V1__MemoryStat, field), v2_key, v1_key \
	}
static const struct memory_row v1_rows[] = {
	V1(cache, "file", "cache"),
	V1(rss, "anon", "rss"),
	V1(rss_huge, "anon_thp", "rss_huge"),
	V1(mapped_file, "file_mapped", "mapped_file"),
	V1(dirty, "file_dirty", "dirty"),
	V1(writeback, "file_writeback", "writeback"),
	V1(pg_pg_in, NULL, "pgpgin"),
	V1(pg_pg_out, NULL, "pgpgout"),
	V1(pg_fault, "pgfault", "pgfault"),
	V1(pg_maj_fault, "pgmajfault", "pgmajfault"),
	V1(inactive_anon, "inactive_anon", "inactive_anon"),
	V1(active_anon, "active_anon", "active_anon"),
	V1(inactive_file, "inactive_file", "inactive_file"),
	V1(active_file, "active_file", "active_file"),
	V1(unevictable, "unevictable", "unevictable"),
	V1(total_cache, "file", "total_cache"),
	V1(total_rss, "anon", "total_rss"),
	V1(total_rss_huge, "anon_thp", "total_rss_huge"),
	V1(total_mapped_file, "file_mapped", "total_mapped_file"),
	V1(total_dirty, "file_dirty", "total_dirty"),
	V1(total_writeback, "file_writeback", "total_writeback"),
	V1(total_pg_pg_in, NULL, "total_pgpgin"),
	V1(total_pg_pg_out, NULL, "total_pgpgout"),
	V1(total_pg_fault, "pgfault", "total_pgfault"),
	V1(total_pg_maj_fault, "pgmajfault", "total_pgmajfault"),
	V1(total_inactive_anon, "inactive_anon", "total_inactive_anon"),
	V1(total_active_anon, "active_anon", "total_active_anon"),
	V1(total_inactive_file, "inactive_file", "total_inactive_file"),
	V1(total_active_file, "active_file", "total_active_file"),
	V1(total_unevictable, "unevictable", "total_unevictable"),
};

static bool memory_find(const Grpc__MemoryStats *m, const char *key, uint64_t *ret)
{
	for (size_t i = 0; key && i < m->n_stats; i++) {
		if (strcmp(m->stats[i]->key, key) == 0) {
			*ret = m->stats[i]->value;
			return true;
		}
	}
	return false;
}

static void fill_memory(const Grpc__MemoryStats *m, const struct memory_row *rows, size_t n,
			void *out)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t *field = (uint64_t *)(void *)((char *)out + rows[i].offset);

		if (!memory_find(m, rows[i].v2_key, field))
			(void)memory_find(m, rows[i].v1_key, field);
	}
}

/* ---- version 2 ---- */

static void cpu_v2(const Grpc__CpuStats *cpu, Io__Containerd__Cgroups__V2__Metrics *out)
{
	out->cpu = NEW(Io__Containerd__Cgroups__V2__CPUStat,
		       io__containerd__cgroups__v2__cpustat__descriptor);
	if (cpu->cpu_usage) {
		out->cpu->usage_usec = cpu->cpu_usage->total_usage / NS_PER_US;
		out->cpu->user_usec = cpu->cpu_usage->usage_in_usermode / NS_PER_US;
		out->cpu->system_usec = cpu->cpu_usage->usage_in_kernelmode / NS_PER_US;
	}
	if (cpu->throttling_data) {
		out->cpu->nr_periods = cpu->throttling_data->periods;
		out->cpu->nr_throttled = cpu->throttling_data->throttled_periods;
		out->cpu->throttled_usec = cpu->throttling_data->throttled_time / NS_PER_US;
	}
}

static void memory_v2(const Grpc__MemoryStats *m, Io__Containerd__Cgroups__V2__Metrics *out)
{
	Io__Containerd__Cgroups__V2__MemoryStat *to =
		NEW(Io__Containerd__Cgroups__V2__MemoryStat,
		    io__containerd__cgroups__v2__memory_stat__descriptor);

	out->memory = to;
	fill_memory(m, v2_rows, ARRAY_LEN(v2_rows), to);
	if (m->usage) {
		to->usage = m->usage->usage;
		to->usage_limit = m->usage->limit;
		to->max_usage = m->usage->max_usage;
	}
	if (m->swap_usage) {
		to->swap_usage = m->swap_usage->usage;
		to->swap_limit = m->swap_usage->limit;
		to->swap_max_usage = m->swap_usage->max_usage;
	}
}

static Io__Containerd__Cgroups__V2__IOEntry *io_entry(Io__Containerd__Cgroups__V2__IOStat *io,
						      const Grpc__BlkioStatsEntry *of)
{
	Io__Containerd__Cgroups__V2__IOEntry *entry;

	for (size_t i = 0; i < io->n_usage; i++)
		if (io->usage[i]->major == of->major && io->usage[i]->minor == of->minor)
			return io->usage[i];
	if (io->n_usage >= IO_ENTRIES_MAX)
		return NULL;
	entry = NEW(Io__Containerd__Cgroups__V2__IOEntry,
		    io__containerd__cgroups__v2__ioentry__descriptor);
	entry->major = of->major;
	entry->minor = of->minor;
	io->usage = xrealloc(io->usage, (io->n_usage + 1) * sizeof(io->usage[0]));
	io->usage[io->n_usage++] = entry;
	return entry;
}

/* The agent names the columns of io.stat as operations (agent-protocol.md 3.12). */
static void add_io(Io__Containerd__Cgroups__V2__IOStat *io, Grpc__BlkioStatsEntry *const *list,
		   size_t n, bool counts)
{
	for (size_t i = 0; i < n; i++) {
		Io__Containerd__Cgroups__V2__IOEntry *entry = io_entry(io, list[i]);
		const char *op = list[i]->op;

		if (!entry)
			return;
		if (strcasecmp(op, "rios") == 0 || (counts && strcasecmp(op, "read") == 0))
			entry->rios = list[i]->value;
		else if (strcasecmp(op, "wios") == 0 || (counts && strcasecmp(op, "write") == 0))
			entry->wios = list[i]->value;
		else if (strcasecmp(op, "read") == 0 || strcasecmp(op, "rbytes") == 0)
			entry->rbytes = list[i]->value;
		else if (strcasecmp(op, "write") == 0 || strcasecmp(op, "wbytes") == 0)
			entry->wbytes = list[i]->value;
	}
}

static void io_v2(const Grpc__BlkioStats *b, Io__Containerd__Cgroups__V2__Metrics *out)
{
	out->io = NEW(Io__Containerd__Cgroups__V2__IOStat,
		      io__containerd__cgroups__v2__iostat__descriptor);
	add_io(out->io, b->io_service_bytes_recursive, b->n_io_service_bytes_recursive, false);
	add_io(out->io, b->io_serviced_recursive, b->n_io_serviced_recursive, true);
}

static void hugetlb_v2(const Grpc__CgroupStats *stats, Io__Containerd__Cgroups__V2__Metrics *out)
{
	out->hugetlb = xcalloc(stats->n_hugetlb_stats + 1, sizeof(out->hugetlb[0]));
	for (size_t i = 0; i < stats->n_hugetlb_stats; i++) {
		const Grpc__HugetlbStats *from = stats->hugetlb_stats[i]->value;
		Io__Containerd__Cgroups__V2__HugeTlbStat *to =
			NEW(Io__Containerd__Cgroups__V2__HugeTlbStat,
			    io__containerd__cgroups__v2__huge_tlb_stat__descriptor);

		to->pagesize = xstrdup(stats->hugetlb_stats[i]->key);
		if (from) {
			to->current = from->usage;
			to->max = from->max_usage;
			to->failcnt = from->failcnt;
		}
		out->hugetlb[out->n_hugetlb++] = to;
	}
}

/* memory.events' count where the agent passes it on among memory.stat, the events seen otherwise. */
static uint64_t oom_count(const Grpc__CgroupStats *stats, uint64_t seen)
{
	uint64_t count = 0;

	if (stats && stats->memory_stats && memory_find(stats->memory_stats, "oom_kill", &count) &&
	    count > seen)
		return count;
	return seen;
}

ProtobufCMessage *metrics_v2(const Grpc__StatsContainerResponse *stats, uint64_t oom_kills)
{
	Io__Containerd__Cgroups__V2__Metrics *out =
		NEW(Io__Containerd__Cgroups__V2__Metrics,
		    io__containerd__cgroups__v2__metrics__descriptor);
	const Grpc__CgroupStats *s = stats->cgroup_stats;

	out->memory_events = NEW(Io__Containerd__Cgroups__V2__MemoryEvents,
				 io__containerd__cgroups__v2__memory_events__descriptor);
	out->memory_events->oom = out->memory_events->oom_kill = oom_count(s, oom_kills);
	if (s && s->pids_stats) {
		out->pids = NEW(Io__Containerd__Cgroups__V2__PidsStat,
				io__containerd__cgroups__v2__pids_stat__descriptor);
		out->pids->current = s->pids_stats->current;
		/* The protocol says 0 for "max", containerd the largest number there is. */
		out->pids->limit = s->pids_stats->limit ? s->pids_stats->limit : UINT64_MAX;
	}
	if (s && s->cpu_stats)
		cpu_v2(s->cpu_stats, out);
	if (s && s->memory_stats)
		memory_v2(s->memory_stats, out);
	if (s && s->blkio_stats)
		io_v2(s->blkio_stats, out);
	if (s && s->n_hugetlb_stats > 0)
		hugetlb_v2(s, out);
	return &out->base;
}

/* ---- version 1 ---- */

static void cpu_v1(const Grpc__CpuStats *cpu, Io__Containerd__Cgroups__V1__Metrics *out)
{
	out->cpu = NEW(Io__Containerd__Cgroups__V1__CPUStat,
		       io__containerd__cgroups__v1__cpustat__descriptor);
	out->cpu->usage = NEW(Io__Containerd__Cgroups__V1__CPUUsage,
			      io__containerd__cgroups__v1__cpuusage__descriptor);
	out->cpu->throttling = NEW(Io__Containerd__Cgroups__V1__Throttle,
				   io__containerd__cgroups__v1__throttle__descriptor);
	if (cpu->cpu_usage) {
		const Grpc__CpuUsage *from = cpu->cpu_usage;

		out->cpu->usage->total = from->total_usage;
		out->cpu->usage->user = from->usage_in_usermode;
		out->cpu->usage->kernel = from->usage_in_kernelmode;
		if (from->n_percpu_usage > 0) {
			out->cpu->usage->per_cpu =
				xmemdup(from->percpu_usage,
					from->n_percpu_usage * sizeof(from->percpu_usage[0]));
			out->cpu->usage->n_per_cpu = from->n_percpu_usage;
		}
	}
	if (cpu->throttling_data) {
		out->cpu->throttling->periods = cpu->throttling_data->periods;
		out->cpu->throttling->throttled_periods = cpu->throttling_data->throttled_periods;
		out->cpu->throttling->throttled_time = cpu->throttling_data->throttled_time;
	}
}

static Io__Containerd__Cgroups__V1__MemoryEntry *memory_entry(const Grpc__MemoryData *from)
{
	Io__Containerd__Cgroups__V1__MemoryEntry *to =
		NEW(Io__Containerd__Cgroups__V1__MemoryEntry,
		    io__containerd__cgroups__v1__memory_entry__descriptor);

	if (from) {
		to->limit = from->limit;
		to->usage = from->usage;
		to->max = from->max_usage;
		to->failcnt = from->failcnt;
	}
	return to;
}

static void memory_v1(const Grpc__MemoryStats *m, Io__Containerd__Cgroups__V1__Metrics *out)
{
	Io__Containerd__Cgroups__V1__MemoryStat *to =
		NEW(Io__Containerd__Cgroups__V1__MemoryStat,
		    io__containerd__cgroups__v1__memory_stat__descriptor);

	out->memory = to;
	fill_memory(m, v1_rows, ARRAY_LEN(v1_rows), to);
	if (m->usage)
		to->hierarchical_memory_limit = m->usage->limit;
	if (m->swap_usage)
		to->hierarchical_swap_limit = m->swap_usage->limit;
	to->usage = memory_entry(m->usage);
	to->swap = memory_entry(m->swap_usage);
	to->kernel = memory_entry(m->kernel_usage);
	to->kernel_tcp = memory_entry(NULL);
}

static void io_v1(const Grpc__BlkioStats *b, Io__Containerd__Cgroups__V1__Metrics *out)
{
	Io__Containerd__Cgroups__V1__BlkIOStat *io =
		NEW(Io__Containerd__Cgroups__V1__BlkIOStat,
		    io__containerd__cgroups__v1__blk_iostat__descriptor);
	size_t n = b->n_io_service_bytes_recursive;

	out->blkio = io;
	io->io_service_bytes_recursive = xcalloc(n + 1, sizeof(io->io_service_bytes_recursive[0]));
	for (size_t i = 0; i < n; i++) {
		const Grpc__BlkioStatsEntry *from = b->io_service_bytes_recursive[i];
		Io__Containerd__Cgroups__V1__BlkIOEntry *to =
			NEW(Io__Containerd__Cgroups__V1__BlkIOEntry,
			    io__containerd__cgroups__v1__blk_ioentry__descriptor);

		to->op = xstrdup(from->op);
		to->major = from->major;
		to->minor = from->minor;
		to->value = from->value;
		io->io_service_bytes_recursive[io->n_io_service_bytes_recursive++] = to;
	}
}

static void hugetlb_v1(const Grpc__CgroupStats *stats, Io__Containerd__Cgroups__V1__Metrics *out)
{
	out->hugetlb = xcalloc(stats->n_hugetlb_stats + 1, sizeof(out->hugetlb[0]));
	for (size_t i = 0; i < stats->n_hugetlb_stats; i++) {
		const Grpc__HugetlbStats *from = stats->hugetlb_stats[i]->value;
		Io__Containerd__Cgroups__V1__HugetlbStat *to =
			NEW(Io__Containerd__Cgroups__V1__HugetlbStat,
			    io__containerd__cgroups__v1__hugetlb_stat__descriptor);

		to->pagesize = xstrdup(stats->hugetlb_stats[i]->key);
		if (from) {
			to->usage = from->usage;
			to->max = from->max_usage;
			to->failcnt = from->failcnt;
		}
		out->hugetlb[out->n_hugetlb++] = to;
	}
}

ProtobufCMessage *metrics_v1(const Grpc__StatsContainerResponse *stats, uint64_t oom_kills)
{
	Io__Containerd__Cgroups__V1__Metrics *out =
		NEW(Io__Containerd__Cgroups__V1__Metrics,
		    io__containerd__cgroups__v1__metrics__descriptor);
	const Grpc__CgroupStats *s = stats->cgroup_stats;

	out->memory_oom_control = NEW(Io__Containerd__Cgroups__V1__MemoryOomControl,
				      io__containerd__cgroups__v1__memory_oom_control__descriptor);
	out->memory_oom_control->oom_kill = oom_count(s, oom_kills);
	if (s && s->pids_stats) {
		out->pids = NEW(Io__Containerd__Cgroups__V1__PidsStat,
				io__containerd__cgroups__v1__pids_stat__descriptor);
		out->pids->current = s->pids_stats->current;
		out->pids->limit = s->pids_stats->limit;
	}
	if (s && s->cpu_stats)
		cpu_v1(s->cpu_stats, out);
	if (s && s->memory_stats)
		memory_v1(s->memory_stats, out);
	if (s && s->blkio_stats)
		io_v1(s->blkio_stats, out);
	if (s && s->n_hugetlb_stats > 0)
		hugetlb_v1(s, out);
	return &out->base;
}

static bool host_has_cgroup_v2(void)
{
	struct statfs fs;

	return statfs("/sys/fs/cgroup", &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC;
}

ProtobufCMessage *metrics_for_host(const Grpc__StatsContainerResponse *stats, uint64_t oom_kills)
{
	return host_has_cgroup_v2() ? metrics_v2(stats, oom_kills) : metrics_v1(stats, oom_kills);
}
