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
#define ADDRESS_FILE   "address"   /* in the bundle: what the shim told containerd */
#define UNIX_SCHEME    "unix://"
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

static void print_sandbox(const char *state_dir, const char *name, struct buf *ret)
{
	auto_free char *dir = path_join(state_dir, name);
	auto_free char *path = path_join(dir, STATE_FILE);
	auto_free char *ns = xstrndup(name, strcspn(name, "/"));
	auto_free char *text = NULL;
	auto_json struct json *state = NULL;
	struct err ignored = ERR_INIT;
	char vmm_buf[NUMBER_TEXT], shim_buf[NUMBER_TEXT], started[NUMBER_TEXT];
	const char *vmm;
	size_t len;

	if (file_read(AT_FDCWD, path, STATE_FILE_MAX, &text, &len, &ignored) == 0 &&
	    json_parse(text, len, &state, &ignored) < 0)
		state = NULL;
	vmm = vmm_text(dir, state, vmm_buf);
	buf_addf(ret, LINE_FORMAT, path_base(name), ns, vmm, pid_text(state, "shim_pid", shim_buf),
		 alive_text(dir, state, vmm), started_text(state, started));
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The directories in `path` whose names are identifiers, sorted. Not there: none. */
static int directories_in(const char *path, char ***ret, struct err *e)
{
	const struct dirent *entry;
	DIR *d = opendir(path);
	size_t n;

	if (!d)
		return errno == ENOENT ? 0 : err_sys(e, errno, "read directory '%s'", path);
	while ((entry = readdir(d)) != NULL)
		if (entry->d_type == DT_DIR && id_valid(entry->d_name))
			strv_add(ret, entry->d_name);
	(void)closedir(d);
	n = strv_len((const char *const *)*ret);
	if (n > 0)
		qsort(*ret, n, sizeof(**ret), by_name);
	return 0;
}

/* "<namespace>/<id>" of every sandbox there is. */
static int names_of_all(const char *state_dir, char ***ret, struct err *e)
{
	auto_strv char **namespaces = NULL;

	if (directories_in(state_dir, &namespaces, e) < 0)
		return -1;
	for (char **ns = namespaces; ns && *ns; ns++) {
		auto_free char *path = path_join(state_dir, *ns);
		auto_strv char **ids = NULL;

		if (directories_in(path, &ids, e) < 0)
			return -1;
		for (char **id = ids; id && *id; id++) {
			auto_free char *name = path_join(*ns, *id);

			strv_add(ret, name);
		}
	}
	return 0;
}

int sandboxes_print(const char *state_dir, struct buf *ret, struct err *e)
{
	auto_strv char **names = NULL;

	if (names_of_all(state_dir, &names, e) < 0)
		return -1;
	buf_addf(ret, LINE_FORMAT, "SANDBOX", "NAMESPACE", "VMM", "SHIM", "ALIVE", "STARTED");
	for (char **name = names; name && *name; name++)
		print_sandbox(state_dir, *name, ret);
	return 0;
}

static int check_name(const char *name, struct err *e)
{
	const char *slash = strchr(name, '/');
	auto_free char *ns = slash ? xstrndup(name, (size_t)(slash - name)) : NULL;

	if (ns && id_check("namespace", ns, e) < 0)
		return -1;
	return id_check("sandbox", slash ? slash + 1 : name, e);
}

int sandboxes_find(const char *state_dir, const char *name, char **ret_dir, struct err *e)
{
	auto_strv char **names = NULL;
	const char *found = NULL;

	if (check_name(name, e) < 0 || names_of_all(state_dir, &names, e) < 0)
		return -1;
	for (char **one = names; one && *one; one++) {
		if (strcmp(strchr(name, '/') ? *one : path_base(*one), name) != 0)
			continue;
		if (found)
			return err_set(e, ERR_INVALID,
				       "sandbox '%s' is there in several namespaces: say '%s' or "
				       "'%s'",
				       name, found, *one);
		found = *one;
	}
	if (!found)
		return err_set(e, ERR_NOT_FOUND,
			       "no sandbox '%s' below %s; huskctl list shows those there are", name,
			       state_dir);
	*ret_dir = path_join(state_dir, found);
	return 0;
}

int sandboxes_socket(const char *dir, char **ret, struct err *e)
{
	auto_free char *path = path_join(dir, STATE_FILE);
	auto_free char *text = NULL, *address = NULL, *file = NULL;
	auto_json struct json *state = NULL;
	const char *bundle;
	size_t len;

	if (file_read(AT_FDCWD, path, STATE_FILE_MAX, &text, &len, e) < 0 ||
	    json_parse(text, len, &state, e) < 0)
		return err_wrap(e, "'%s'", path);
	bundle = json_string(json_get(state, "bundle"));
	if (!bundle)
		return err_set(e, ERR_INVALID, "'%s' names no bundle", path);
	file = path_join(bundle, ADDRESS_FILE);
	if (file_read_line(AT_FDCWD, file, &address, e) < 0)
		return err_wrap(e, "address of the shim");
	if (strncmp(address, UNIX_SCHEME, strlen(UNIX_SCHEME)) != 0)
		return err_set(e, ERR_INVALID, "'%s' has no address of a socket: '%.200s'", file,
			       address);
	*ret = xstrdup(address + strlen(UNIX_SCHEME));
	return 0;
}
