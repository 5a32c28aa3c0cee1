/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers of /proc as Prometheus text; see metrics.h. The formats of the files are in proc(5). */
#include "agent/guest/metrics.h"

#include <ctype.h>
#include <fcntl.h>
#include <string.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/num.h"
#include "common/base/path.h"

#define PROC_FILE_MAX   (1u << 20)
#define FIELDS_MAX      64
#define FILESYSTEMS_MAX 128

struct fields {
	size_t n;
	char *at[FIELDS_MAX];
};

static char *read_proc(const char *proc, const char *name)
{
	auto_free char *path = path_join(proc, name);
	struct err absent = ERR_INIT;
	char *text = NULL;

	if (file_read(AT_FDCWD, path, PROC_FILE_MAX, &text, NULL, &absent) < 0)
		return xstrdup("");
	return text;
}

/* Cuts `line` at any of `at`; beyond FIELDS_MAX the rest is left out. */
static void split(char *line, const char *at, struct fields *ret)
{
	char *save = NULL;

	ret->n = 0;
	for (char *f = strtok_r(line, at, &save); f && ret->n < FIELDS_MAX;
	     f = strtok_r(NULL, at, &save))
		ret->at[ret->n++] = f;
}

static void family(struct buf *out, const char *name, const char *help)
{
	buf_addf(out, "# HELP %s %s\n# TYPE %s gauge\n", name, help, name);
}

/* Label values come from the kernel; what Prometheus would need escaped is left out. */
static void add_label(struct buf *out, const char *key, const char *value)
{
	buf_addf(out, "%s%s=\"", out->data[out->len - 1] == '{' ? "" : ",", key);
	for (; *value; value++)
		if (*value != '"' && *value != '\\' && !iscntrl((unsigned char)*value))
			buf_add(out, value, 1);
	buf_add(out, "\"", 1);
}

static void sample2(struct buf *out, const char *name, const char *key, const char *label,
		    const char *key2, const char *label2, const char *value)
{
	uint64_t number;

	if (!num_u64(value, 10, &number))
		return;
	buf_addf(out, "%s{", name);
	add_label(out, key, label);
	if (key2)
		add_label(out, key2, label2);
	buf_addf(out, "} %s\n", value);
}

static void sample(struct buf *out, const char *name, const char *key, const char *label,
		   const char *value)
{
	sample2(out, name, key, label, NULL, NULL, value);
}

static char *lower(char *s)
{
	for (char *p = s; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	return s;
}

/* "Key: value unit" or "key value" on each line. */
static void add_pairs(struct buf *out, const char *name, const char *key, char *text)
{
	char *save = NULL;

	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		struct fields f;

		split(line, " \t:()", &f);
		/* "Active(anon): 12 kB": the word in parentheses belongs to the key. */
		if (f.n >= 3 && !isdigit((unsigned char)f.at[1][0])) {
			auto_free char *both = xasprintf("%s_%s", f.at[0], f.at[1]);

			sample(out, name, key, lower(both), f.at[2]);
		} else if (f.n >= 2) {
			sample(out, name, key, lower(f.at[0]), f.at[1]);
		}
	}
}

static void add_load(struct buf *out, const char *proc)
{
	static const char *const items[] = { "load1", "load5", "load15" };
	auto_free char *text = read_proc(proc, "loadavg");
	struct fields f;

	split(text, " \n/", &f);
	family(out, "kata_guest_load", "Guest system load.");
	for (size_t i = 0; i < ARRAY_LEN(items) && i < f.n; i++)
		buf_addf(out, "kata_guest_load{item=\"%s\"} %s\n", items[i], f.at[i]);
	family(out, "kata_guest_tasks", "Guest system tasks.");
	if (f.n >= 5) {
		sample(out, "kata_guest_tasks", "item", "cur", f.at[3]);
		sample(out, "kata_guest_tasks", "item", "max", f.at[4]);
	}
}

static void add_cpu(struct buf *out, const char *proc)
{
	static const char name[] = "kata_guest_cpu_time";
	static const char *const items[] = { "user", "nice",    "system", "idle",  "iowait",
					     "irq",  "softirq", "steal",  "guest", "guest_nice" };
	auto_free char *text = read_proc(proc, "stat");
	char *save = NULL;

	family(out, name, "Guest CPU statistics, in clock ticks.");
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		struct fields f;

		if (strncmp(line, "cpu", 3) != 0)
			continue;
		split(line, " ", &f);
		for (size_t i = 1; i < f.n && i <= ARRAY_LEN(items); i++)
			sample2(out, name, "cpu", strcmp(f.at[0], "cpu") == 0 ? "total" : f.at[0],
				"item", items[i - 1], f.at[i]);
	}
}

/* Lines whose first words are labels and whose others are numbers with these names. */
static void add_table(struct buf *out, const char *name, const char *label, char *text,
		      size_t skip_lines, size_t label_at, const char *const *items, size_t n_items)
{
	char *save = NULL;

	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		struct fields f;

		if (skip_lines > 0) {
			skip_lines--;
			continue;
		}
		split(line, " :", &f);
		for (size_t i = label_at + 1; i < f.n && i - label_at - 1 < n_items; i++)
			sample2(out, name, label, f.at[label_at], "item", items[i - label_at - 1],
				f.at[i]);
	}
}

static void add_net(struct buf *out, const char *proc)
{
	static const char *const items[] = {
		"recv_bytes", "recv_packets", "recv_errs",       "recv_drop",
		"recv_fifo",  "recv_frame",   "recv_compressed", "recv_multicast",
		"sent_bytes", "sent_packets", "sent_errs",       "sent_drop",
		"sent_fifo",  "sent_colls",   "sent_carrier",    "sent_compressed",
	};
	auto_free char *text = read_proc(proc, "net/dev");

	family(out, "kata_guest_netdev_stat", "Guest network devices.");
	add_table(out, "kata_guest_netdev_stat", "interface", text, 2, 0, items, ARRAY_LEN(items));
}

static void add_disks(struct buf *out, const char *proc)
{
	/* Documentation/admin-guide/iostats.rst of the kernel. */
	static const char *const items[] = {
		"reads",
		"reads_merged",
		"sectors_read",
		"time_reading",
		"writes",
		"writes_merged",
		"sectors_written",
		"time_writing",
		"in_progress",
		"time_in_progress",
		"weighted_time_in_progress",
		"discards",
		"discards_merged",
		"sectors_discarded",
		"time_discarding",
		"flushes",
		"time_flushing",
	};
	auto_free char *text = read_proc(proc, "diskstats");

	family(out, "kata_guest_diskstat", "Guest disks.");
	add_table(out, "kata_guest_diskstat", "disk", text, 0, 2, items, ARRAY_LEN(items));
}

struct filesystem {
	const char *point;
	struct statfs fs;
};

static void add_filesystem_family(struct buf *out, const char *name, const char *help,
				  const struct filesystem *list, size_t n, bool inodes)
{
	family(out, name, help);
	for (size_t i = 0; i < n; i++) {
		const struct statfs *fs = &list[i].fs;
		uint64_t unit = inodes ? 1 : (uint64_t)fs->f_bsize;
		const struct {
			const char *item;
			uint64_t value;
		} values[] = {
			{ "total", (inodes ? fs->f_files : fs->f_blocks) * unit },
			{ "free", (inodes ? fs->f_ffree : fs->f_bfree) * unit },
			{ "available", (inodes ? fs->f_ffree : fs->f_bavail) * unit },
		};

		for (size_t k = 0; k < ARRAY_LEN(values); k++) {
			auto_free char *number =
				xasprintf("%llu", (unsigned long long)values[k].value);

			sample2(out, name, "mount", list[i].point, "item", values[k].item, number);
		}
	}
}

/* Shares are left out: to ask their server may take long, and the host knows their size. */
static void add_filesystems(struct buf *out, const char *proc)
{
	auto_free struct filesystem *list = xcalloc(FILESYSTEMS_MAX, sizeof(*list));
	auto_free char *text = read_proc(proc, "self/mounts");
	char *save = NULL;
	size_t n = 0;

	for (char *line = strtok_r(text, "\n", &save); line && n < FILESYSTEMS_MAX;
	     line = strtok_r(NULL, "\n", &save)) {
		struct fields f;

		split(line, " ", &f);
		if (f.n < 3 || strcmp(f.at[2], "virtiofs") == 0 ||
		    (strncmp(f.at[0], "/dev/", 5) != 0 && strcmp(f.at[2], "tmpfs") != 0))
			continue;
		list[n].point = f.at[1];
		if (statfs(f.at[1], &list[n].fs) == 0)
			n++;
	}
	add_filesystem_family(out, "kata_guest_filesystem_bytes", "Guest file systems.", list, n,
			      false);
	add_filesystem_family(out, "kata_guest_filesystem_inodes", "Inodes of guest file systems.",
			      list, n, true);
}

static void single(struct buf *out, const char *name, const char *help, double value)
{
	family(out, name, help);
	buf_addf(out, "%s %.15g\n", name, value);
}

static double number_at(const struct fields *f, size_t i)
{
	uint64_t value = 0;

	if (i < f->n)
		(void)num_u64(f->at[i], 10, &value);
	return (double)value;
}

static void add_agent_status(struct buf *out, const char *proc)
{
	auto_free char *text = read_proc(proc, "self/status");
	char *save = NULL;
	double threads = 0;

	family(out, "kata_agent_proc_status", "The agent's /proc/self/status: bytes and counts.");
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		struct fields f;

		split(line, ": \t", &f);
		if (f.n < 2 ||
		    (strncmp(f.at[0], "Vm", 2) != 0 && strncmp(f.at[0], "Rss", 3) != 0 &&
		     !strstr(f.at[0], "ctxt_switches") && strcmp(f.at[0], "Threads") != 0))
			continue;
		if (strcmp(f.at[0], "Threads") == 0)
			threads = number_at(&f, 1);
		buf_addf(out, "kata_agent_proc_status{item=\"%s\"} %.15g\n", lower(f.at[0]),
			 number_at(&f, 1) * (f.n > 2 ? 1024 : 1));
	}
	single(out, "kata_agent_threads", "Threads of the agent.", threads);
}

static void add_agent_times(struct buf *out, const char *proc)
{
	auto_free char *text = read_proc(proc, "self/stat");
	/* The name may have blanks; counted from behind it the state is field 0. */
	char *behind = strrchr(text, ')');
	double tick = (double)sysconf(_SC_CLK_TCK);
	double page = (double)sysconf(_SC_PAGESIZE);
	static const struct {
		const char *item;
		size_t at;
	} times[] = { { "utime", 11 }, { "stime", 12 }, { "cutime", 13 }, { "cstime", 14 } };
	struct fields f;

	split(behind ? behind + 1 : text, " \n", &f);
	family(out, "kata_agent_proc_stat", "The agent's /proc/self/stat, in clock ticks.");
	for (size_t i = 0; i < ARRAY_LEN(times); i++)
		buf_addf(out, "kata_agent_proc_stat{item=\"%s\"} %.15g\n", times[i].item,
			 number_at(&f, times[i].at));
	single(out, "kata_agent_total_time", "Processor time of the agent, in seconds.",
	       (number_at(&f, 11) + number_at(&f, 12)) / tick);
	single(out, "kata_agent_total_vm", "Virtual memory of the agent, in bytes.",
	       number_at(&f, 20));
	single(out, "kata_agent_total_rss", "Resident memory of the agent, in bytes.",
	       number_at(&f, 21) * page);
}

char *metrics_text(const char *proc, uint64_t scrapes)
{
	static const struct {
		const char *file, *name, *help, *key;
	} pairs[] = {
		{ "meminfo", "kata_guest_meminfo", "Guest memory, in kB where the kernel says so.",
		  "item" },
		{ "vmstat", "kata_guest_vm_stat", "Guest virtual memory.", "item" },
		{ "self/io", "kata_agent_io_stat", "Input and output of the agent.", "item" },
	};
	struct buf out = BUF_INIT;

	buf_addf(&out,
		 "# HELP kata_agent_scrape_count Metrics asked for.\n"
		 "# TYPE kata_agent_scrape_count counter\nkata_agent_scrape_count %llu\n",
		 (unsigned long long)scrapes);
	add_agent_status(&out, proc);
	add_agent_times(&out, proc);
	add_load(&out, proc);
	add_cpu(&out, proc);
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		auto_free char *text = read_proc(proc, pairs[i].file);

		family(&out, pairs[i].name, pairs[i].help);
		add_pairs(&out, pairs[i].name, pairs[i].key, text);
	}
	add_net(&out, proc);
	add_disks(&out, proc);
	add_filesystems(&out, proc);
	return out.data;
}
