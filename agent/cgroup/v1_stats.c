/* SPDX-License-Identifier: Apache-2.0 */
/* What cgroup v1 counts, as the agent protocol's CgroupStats. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/cgroup/stats_message.h"
#include "agent/cgroup/v1.h"
#include "common/base/fd.h"
#include "common/base/num.h"

#define NS_PER_S 1000000000ull

/* The file's name begins with that of its controller. */
static char *text_of(const struct cgroup *cg, const char *file)
{
	auto_free char *controller = xstrndup(file, strcspn(file, "."));

	return stats_read_text(v1_dir(cg, controller), file);
}

static uint64_t number_of(const struct cgroup *cg, const char *file)
{
	auto_free char *controller = xstrndup(file, strcspn(file, "."));

	return stats_read_number(v1_dir(cg, controller), file);
}

static uint64_t ticks_to_ns(uint64_t ticks)
{
	return ticks * (NS_PER_S / (uint64_t)sysconf(_SC_CLK_TCK));
}

static void add_per_cpu(Grpc__CpuUsage *usage, char *text)
{
	char *save = NULL;

	for (char *word = strtok_r(text, " \n", &save); word; word = strtok_r(NULL, " \n", &save)) {
		uint64_t value;

		if (!num_u64(word, 10, &value))
			continue;
		usage->percpu_usage = xrealloc(usage->percpu_usage,
					       (usage->n_percpu_usage + 1) * sizeof(uint64_t));
		usage->percpu_usage[usage->n_percpu_usage++] = value;
	}
}

static Grpc__CpuStats *cpu_stats(const struct cgroup *cg)
{
	auto_free char *used = text_of(cg, "cpuacct.stat");
	auto_free char *each = text_of(cg, "cpuacct.usage_percpu");
	auto_free char *throttled = text_of(cg, "cpu.stat");
	Grpc__CpuStats *s = xnew(Grpc__CpuStats);

	grpc__cpu_stats__init(s);
	s->cpu_usage = xnew(Grpc__CpuUsage);
	grpc__cpu_usage__init(s->cpu_usage);
	s->cpu_usage->total_usage = number_of(cg, "cpuacct.usage");
	s->cpu_usage->usage_in_usermode = ticks_to_ns(stats_key(used, "user"));
	s->cpu_usage->usage_in_kernelmode = ticks_to_ns(stats_key(used, "system"));
	add_per_cpu(s->cpu_usage, each);
	s->throttling_data = xnew(Grpc__ThrottlingData);
	grpc__throttling_data__init(s->throttling_data);
	s->throttling_data->periods = stats_key(throttled, "nr_periods");
	s->throttling_data->throttled_periods = stats_key(throttled, "nr_throttled");
	s->throttling_data->throttled_time = stats_key(throttled, "throttled_time");
	return s;
}

/* "memory", "memory.memsw", "memory.kmem" */
static Grpc__MemoryData *memory_data(const struct cgroup *cg, const char *prefix)
{
	auto_free char *usage = xasprintf("%s.usage_in_bytes", prefix);
	auto_free char *max = xasprintf("%s.max_usage_in_bytes", prefix);
	auto_free char *limit = xasprintf("%s.limit_in_bytes", prefix);
	auto_free char *failures = xasprintf("%s.failcnt", prefix);
	Grpc__MemoryData *d = xnew(Grpc__MemoryData);

	grpc__memory_data__init(d);
	d->usage = number_of(cg, usage);
	d->max_usage = number_of(cg, max);
	d->limit = number_of(cg, limit);
	d->failcnt = number_of(cg, failures);
	return d;
}

static Grpc__MemoryStats *memory_stats(const struct cgroup *cg)
{
	auto_free char *text = text_of(cg, "memory.stat");
	Grpc__MemoryStats *s = xnew(Grpc__MemoryStats);

	grpc__memory_stats__init(s);
	s->usage = memory_data(cg, "memory");
	s->swap_usage = memory_data(cg, "memory.memsw");
	s->kernel_usage = memory_data(cg, "memory.kmem");
	s->cache = stats_key(text, "cache");
	s->use_hierarchy = number_of(cg, "memory.use_hierarchy") != 0;
	stats_add_memory(s, text);
	return s;
}

/* "8:0 Read 4096", and "Total 4096" at the end, which names no device. */
static void add_block_io(Grpc__BlkioStatsEntry ***list, size_t *n, char *text)
{
	char *save = NULL;

	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *op = strchr(line, ' ');
		char *count = op ? strchr(op + 1, ' ') : NULL;
		char *colon = strchr(line, ':');
		uint64_t major, minor, value;

		if (!count || !colon || colon > op)
			continue;
		*colon = *op++ = *count++ = '\0';
		if (!num_u64(line, 10, &major) || !num_u64(colon + 1, 10, &minor) ||
		    !num_u64(count, 10, &value))
			continue;
		for (char *c = op; *c; c++)
			*c = *c >= 'A' && *c <= 'Z' ? (char)(*c | 0x20) : *c;
		stats_add_io(list, n, major, minor, op, value);
	}
}

static Grpc__BlkioStats *block_io_stats(const struct cgroup *cg)
{
	auto_free char *bytes = text_of(cg, "blkio.throttle.io_service_bytes_recursive");
	auto_free char *operations = text_of(cg, "blkio.throttle.io_serviced_recursive");
	Grpc__BlkioStats *s = xnew(Grpc__BlkioStats);

	grpc__blkio_stats__init(s);
	add_block_io(&s->io_service_bytes_recursive, &s->n_io_service_bytes_recursive, bytes);
	add_block_io(&s->io_serviced_recursive, &s->n_io_serviced_recursive, operations);
	return s;
}

static void add_huge_pages(Grpc__CgroupStats *s, const struct cgroup *cg, const char *size)
{
	auto_free char *usage = xasprintf("hugetlb.%s.usage_in_bytes", size);
	auto_free char *max = xasprintf("hugetlb.%s.max_usage_in_bytes", size);
	auto_free char *failures = xasprintf("hugetlb.%s.failcnt", size);
	Grpc__HugetlbStats *h = stats_add_huge_pages(s, size);

	h->usage = number_of(cg, usage);
	h->max_usage = number_of(cg, max);
	h->failcnt = number_of(cg, failures);
}

static void huge_page_stats(Grpc__CgroupStats *s, const struct cgroup *cg)
{
	static const char suffix[] = ".limit_in_bytes";
	int fd = v1_dir(cg, "hugetlb");
	DIR *dir;

	fd = fd < 0 ? -1 : openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		if (fd >= 0)
			(void)close(fd);
		return;
	}
	for (struct dirent *de = readdir(dir); de; de = readdir(dir)) {
		const size_t prefix = strlen("hugetlb.");
		const char *end = strstr(de->d_name, suffix);
		auto_free char *size = NULL;

		if (strncmp(de->d_name, "hugetlb.", prefix) != 0 || !end ||
		    strcmp(end, suffix) != 0 || strstr(de->d_name, ".rsvd."))
			continue;
		size = xstrndup(de->d_name + prefix, (size_t)(end - de->d_name) - prefix);
		add_huge_pages(s, cg, size);
	}
	(void)closedir(dir);
}

Grpc__CgroupStats *v1_stats(const struct cgroup *cg, struct err *e)
{
	Grpc__CgroupStats *s = xnew(Grpc__CgroupStats);

	(void)e;
	grpc__cgroup_stats__init(s);
	s->cpu_stats = cpu_stats(cg);
	s->memory_stats = memory_stats(cg);
	s->pids_stats = xnew(Grpc__PidsStats);
	grpc__pids_stats__init(s->pids_stats);
	s->pids_stats->current = number_of(cg, "pids.current");
	s->pids_stats->limit = number_of(cg, "pids.max"); /* "max" is 0 in this message */
	s->blkio_stats = block_io_stats(cg);
	huge_page_stats(s, cg);
	return s;
}
