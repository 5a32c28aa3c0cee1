/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of CgroupStats that both versions of cgroups fill; see stats_message.h. */
#include "agent/cgroup/stats_message.h"

#include <string.h>

#include "agent/cgroup/cgroup_private.h"
#include "common/base/fd.h"
#include "common/base/num.h"

#define STAT_FILE_MAX  (1u << 20)
#define IO_ENTRIES_MAX 4096

char *stats_read_text(int dir, const char *file)
{
	struct err ignored = ERR_INIT;
	char *text = NULL;

	if (dir < 0 || file_read(dir, file, STAT_FILE_MAX, &text, NULL, &ignored) < 0)
		return xstrdup("");
	return text;
}

uint64_t stats_read_number(int dir, const char *file)
{
	struct err ignored = ERR_INIT;
	auto_free char *text = NULL;
	uint64_t value = 0;

	if (dir >= 0 && file_read_line(dir, file, &text, &ignored) == 0)
		(void)num_u64(text, 10, &value);
	return value;
}

uint64_t stats_key(const char *text, const char *key)
{
	uint64_t value = 0;

	(void)cgroup_parse_key(text, key, &value);
	return value;
}

static void add_memory_stat(Grpc__MemoryStats *s, const char *key, uint64_t value)
{
	Grpc__MemoryStats__StatsEntry *entry = xnew(Grpc__MemoryStats__StatsEntry);

	grpc__memory_stats__stats_entry__init(entry);
	entry->key = xstrdup(key);
	entry->value = value;
	s->stats = xrealloc(s->stats, (s->n_stats + 1) * sizeof(*s->stats));
	s->stats[s->n_stats++] = entry;
}

void stats_add_memory(Grpc__MemoryStats *s, char *text)
{
	char *save = NULL;

	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *space = strchr(line, ' ');
		uint64_t value;

		if (!space || space == line || !num_u64(space + 1, 10, &value))
			continue;
		*space = '\0';
		add_memory_stat(s, line, value);
	}
}

void stats_add_io(Grpc__BlkioStatsEntry ***list, size_t *n, uint64_t major, uint64_t minor,
		  const char *op, uint64_t value)
{
	Grpc__BlkioStatsEntry *entry;

	if (*n == IO_ENTRIES_MAX)
		return;
	entry = xnew(Grpc__BlkioStatsEntry);
	grpc__blkio_stats_entry__init(entry);
	entry->major = major;
	entry->minor = minor;
	entry->op = xstrdup(op);
	entry->value = value;
	*list = xrealloc(*list, (*n + 1) * sizeof(**list));
	(*list)[(*n)++] = entry;
}

Grpc__HugetlbStats *stats_add_huge_pages(Grpc__CgroupStats *s, const char *size)
{
	Grpc__CgroupStats__HugetlbStatsEntry *entry = xnew(Grpc__CgroupStats__HugetlbStatsEntry);

	grpc__cgroup_stats__hugetlb_stats_entry__init(entry);
	entry->key = xstrdup(size);
	entry->value = xnew(Grpc__HugetlbStats);
	grpc__hugetlb_stats__init(entry->value);
	s->hugetlb_stats =
		xrealloc(s->hugetlb_stats, (s->n_hugetlb_stats + 1) * sizeof(*s->hugetlb_stats));
	s->hugetlb_stats[s->n_hugetlb_stats++] = entry;
	return entry->value;
}
