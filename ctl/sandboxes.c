/* SPDX-License-Identifier: Apache-2.0 */
/* What the files below the state directory say of the sandboxes there; see sandboxes.h. */
#include "ctl/sandboxes.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/fd.h"
#include "common/base/id.h"
#include "common/base/path.h"
#include "common/json/json.h"
#include "hypervisor/record.h"

#define STATE_FILE     "state.json"
#define STATE_FILE_MAX (64u << 10) /* bytes */
#define LINE_FORMAT    "%-32s %-12s %8s %8s %-6s %s\n"
#define NUMBER_TEXT    24

static const char *pid_text(const struct json *state, const char *name,
			    char buf[static NUMBER_TEXT])
{
	int64_t pid;

	if (!json_i64(json_get(state, name), &pid) || pid <= 0 || pid > INT_MAX)
		return "-";
	(void)snprintf(buf, NUMBER_TEXT, "%d", (int)pid);
	return buf;
}

/*
 * The monitor: the process on record that is no helper of it. A record is better than a bare pid,
 * which may be somebody else's by now.
 */
static bool find_monitor(const char *sandbox_dir, struct record *ret)
{
	auto_free char *run_dir = path_join(sandbox_dir, "vm");
	struct record list[RECORDS_MAX];
	struct err ignored = ERR_INIT; /* what cannot be read is shown as "-" */
	int n = records_read(run_dir, list, &ignored);

	for (int i = n - 1; i >= 0; i--) {
		if (strcmp(list[i].name, "virtiofsd") != 0 &&
		    strcmp(list[i].name, "vhost-device-vsock") != 0) {
			*ret = list[i];
			return true;
		}
	}
	return false;
}

static const char *alive_text(const char *sandbox_dir, const struct json *state, const char *vmm)
{
	struct record monitor;
	uint64_t start_time;
	int64_t pid;

	if (find_monitor(sandbox_dir, &monitor))
		return record_start_time(monitor.pid, &start_time) == 0 &&
				       start_time == monitor.start_time
			       ? "yes"
			       : "no";
	if (*vmm == '-' || !json_i64(json_get(state, "vmm_pid"), &pid))
		return "-";
	return kill((pid_t)pid, 0) == 0 || errno == EPERM ? "yes" : "no";
}

static const char *vmm_text(const char *sandbox_dir, const struct json *state,
			    char buf[static NUMBER_TEXT])
{
	struct record monitor;

	if (!find_monitor(sandbox_dir, &monitor))
		return pid_text(state, "vmm_pid", buf);
	(void)snprintf(buf, NUMBER_TEXT, "%d", (int)monitor.pid);
	return buf;
}

/* Seconds since 1970, or a text as it stands. */
static const char *started_text(const struct json *state, char buf[static NUMBER_TEXT])
{
	const struct json *started = json_get(state, "started");
	const char *text = json_string(started);
	int64_t seconds;
	struct tm local;
	time_t t;

	if (text)
		return text;
	if (!json_i64(started, &seconds))
		return "-";
	t = (time_t)seconds;
	if (!localtime_r(&t, &local) || !strftime(buf, NUMBER_TEXT, "%F %T", &local))
		return "-";
	return buf;
}

static void print_sandbox(const char *state_dir, const char *id, struct buf *ret)
{
	auto_free char *dir = path_join(state_dir, id);
	auto_free char *path = path_join(dir, STATE_FILE);
	auto_free char *text = NULL;
	auto_json struct json *state = NULL;
	struct err ignored = ERR_INIT;
	char vmm_buf[NUMBER_TEXT], shim_buf[NUMBER_TEXT], started[NUMBER_TEXT];
	const char *ns, *vmm;
	size_t len;

	if (file_read(AT_FDCWD, path, STATE_FILE_MAX, &text, &len, &ignored) == 0 &&
	    json_parse(text, len, &state, &ignored) < 0)
		state = NULL;
	ns = json_string(json_get(state, "namespace"));
	vmm = vmm_text(dir, state, vmm_buf);
	buf_addf(ret, LINE_FORMAT, id, ns ? ns : "-", vmm, pid_text(state, "shim_pid", shim_buf),
		 alive_text(dir, state, vmm), started_text(state, started));
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int sandboxes_print(const char *state_dir, struct buf *ret, struct err *e)
{
	auto_strv char **ids = NULL;
	const struct dirent *entry;
	DIR *d = opendir(state_dir);
	size_t n;

	if (!d && errno != ENOENT)
		return err_sys(e, errno, "read directory '%s'", state_dir);
	while (d && (entry = readdir(d)) != NULL)
		if (entry->d_type == DT_DIR && id_valid(entry->d_name))
			strv_add(&ids, entry->d_name);

	n = strv_len((const char *const *)ids);
	if (n > 0)
		qsort(ids, n, sizeof(*ids), by_name);
	buf_addf(ret, LINE_FORMAT, "SANDBOX", "NAMESPACE", "VMM", "SHIM", "ALIVE", "STARTED");
	for (size_t i = 0; i < n; i++)
		print_sandbox(state_dir, ids[i], ret);
	if (d)
		(void)closedir(d);
	return 0;
}
