/* SPDX-License-Identifier: Apache-2.0 */
/* What cgroup v2 counts, as the agent protocol's CgroupStats. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "agent/cgroup/cgroup_private.h"
#include "agent/cgroup/stats_message.h"
#include "agent/cgroup/v1.h"
#include "common/base/fd.h"
#include "common/base/num.h"

#define US_TO_NS 1000

/* A limit as cgroup v1 says "none", which is what readers of this message compare with. */
static uint64_t read_limit(const struct cgroup *cg, const char *file)
{
	struct err ignored = ERR_INIT;
	auto_free char *text = NULL;
	uint64_t value = 0;

	if (file_read_line(cg->fd, file, &text, &ignored) < 0)
		return 0;
	return num_u64(text, 10, &value) ? value : UINT64_MAX;
}

static Grpc__CpuStats *cpu_stats(const struct cgroup *cg)
{
	auto_free char *text = stats_read_text(cg->fd, "cpu.stat");
	Grpc__CpuStats *s = xnew(Grpc__CpuStats);

	grpc__cpu_stats__init(s);
	s->cpu_usage = xnew(Grpc__CpuUsage);
	grpc__cpu_usage__init(s->cpu_usage);
	s->cpu_usage->total_usage = stats_key(text, "usage_usec") * US_TO_NS;
	s->cpu_usage->usage_in_usermode = stats_key(text, "user_usec") * US_TO_NS;
	s->cpu_usage->usage_in_kernelmode = stats_key(text, "system_usec") * US_TO_NS;
	s->throttling_data = xnew(Grpc__ThrottlingData);
	grpc__throttling_data__init(s->throttling_data);
	s->throttling_data->periods = stats_key(text, "nr_periods");
	s->throttling_data->throttled_periods = stats_key(text, "nr_throttled");
	s->throttling_data->throttled_time = stats_key(text, "throttled_usec") * US_TO_NS;
	return s;
}

static Grpc__MemoryData *memory_data(const struct cgroup *cg, const char *prefix)
{
	auto_free char *current = xasprintf("%s.current", prefix);
	auto_free char *peak = xasprintf("%s.peak", prefix);
	auto_free char *max = xasprintf("%s.max", prefix);
	auto_free char *events_file = xasprintf("%s.events", prefix);
	auto_free char *events = stats_read_text(cg->fd, events_file);
	Grpc__MemoryData *d = xnew(Grpc__MemoryData);

	grpc__memory_data__init(d);
	d->usage = stats_read_number(cg->fd, current);
	d->max_usage = stats_read_number(cg->fd, peak);
	d->limit = read_limit(cg, max);
	d->failcnt = stats_key(events, "max");
	return d;
}

static Grpc__MemoryStats *memory_stats(const struct cgroup *cg)
{
	auto_free char *text = stats_read_text(cg->fd, "memory.stat");
	Grpc__MemoryStats *s = xnew(Grpc__MemoryStats);

	grpc__memory_stats__init(s);
	s->usage = memory_data(cg, "memory");
	s->swap_usage = memory_data(cg, "memory.swap");
	s->cache = stats_key(text, "file");
	s->use_hierarchy = 1;
	stats_add_memory(s, text);
	return s;
}

static Grpc__PidsStats *pids_stats(const struct cgroup *cg)
{
	Grpc__PidsStats *s = xnew(Grpc__PidsStats);

	grpc__pids_stats__init(s);
	s->current = stats_read_number(cg->fd, "pids.current");
	s->limit = stats_read_number(cg->fd, "pids.max"); /* "max" is 0 in this message */
	return s;
}

/* "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0" */
static void add_io_line(Grpc__BlkioStats *s, char *line)
{
	char *save = NULL;
	char *device = strtok_r(line, " ", &save);
	char *colon = device ? strchr(device, ':') : NULL;
	uint64_t major, minor;

	if (!colon)
		return;
	*colon = '\0';
	if (!num_u64(device, 10, &major) || !num_u64(colon + 1, 10, &minor))
		return;
	for (char *word = strtok_r(NULL, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		char *equals = strchr(word, '=');
		uint64_t value;

		if (!equals || equals == word || !num_u64(equals + 1, 10, &value))
			continue;
		*equals = '\0';
		stats_add_io(&s->io_service_bytes_recursive, &s->n_io_service_bytes_recursive,
			     major, minor,
			     strcmp(word, "rbytes") == 0   ? "read"
			     : strcmp(word, "wbytes") == 0 ? "write"
							   : word,
			     value);
	}
}

static Grpc__BlkioStats *io_stats(const struct cgroup *cg)
{
	auto_free char *text = stats_read_text(cg->fd, "io.stat");
	Grpc__BlkioStats *s = xnew(Grpc__BlkioStats);
	char *save = NULL;

	grpc__blkio_stats__init(s);
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		add_io_line(s, line);
	return s;
}

static void add_huge_pages(Grpc__CgroupStats *s, const struct cgroup *cg, const char *size)
{
	auto_free char *current = xasprintf("hugetlb.%s.current", size);
	auto_free char *events_file = xasprintf("hugetlb.%s.events", size);
	auto_free char *events = stats_read_text(cg->fd, events_file);
	Grpc__HugetlbStats *h = stats_add_huge_pages(s, size);

	h->usage = stats_read_number(cg->fd, current);
	h->failcnt = stats_key(events, "max");
}

/* One file for each page size that the kernel has: "hugetlb.2MB.current". */
static int huge_page_stats(Grpc__CgroupStats *s, const struct cgroup *cg, struct err *e)
{
	int copy = openat(cg->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);

	if (!dir) {
		int sys = errno;

		if (copy >= 0)
			(void)close(copy);
		return err_sys(e, sys, "read cgroup '%s'", cg->path);
	}
	for (struct dirent *de = readdir(dir); de; de = readdir(dir)) {
		const size_t prefix = strlen("hugetlb.");
		const char *end = strstr(de->d_name, ".current");
		auto_free char *size = NULL;

		if (strncmp(de->d_name, "hugetlb.", prefix) != 0 || !end ||
		    end < de->d_name + prefix || strcmp(end, ".current") != 0 ||
		    strstr(de->d_name, ".rsvd."))
			continue;
		size = xstrndup(de->d_name + prefix, (size_t)(end - de->d_name) - prefix);
		add_huge_pages(s, cg, size);
	}
	(void)closedir(dir);
	return 0;
}

Grpc__CgroupStats *cgroup_stats(const struct cgroup *cg, struct err *e)
{
	Grpc__CgroupStats *s;

	if (cg->v1)
		return v1_stats(cg, e);
	s = xnew(Grpc__CgroupStats);
	grpc__cgroup_stats__init(s);
	if (huge_page_stats(s, cg, e) < 0) {
		grpc__cgroup_stats__free_unpacked(s, NULL);
		return NULL;
	}
	s->cpu_stats = cpu_stats(cg);
	s->memory_stats = memory_stats(cg);
	s->pids_stats = pids_stats(cg);
	s->blkio_stats = io_stats(cg);
	return s;
}
