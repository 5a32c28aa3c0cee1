/* SPDX-License-Identifier: Apache-2.0 */
/* The shim's own files; see record.h. */
#include "shim/record.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <time.h>

#include "common/base/fd.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "common/json/json.h"
#include "config/config.h"
#include "hypervisor/record.h"

#define STATE_FILE        "state.json"
#define STATE_DIR_FILE    "state-dir"
#define STATE_FILE_MAX    (64u << 10) /* bytes */
#define STATE_DIR_DEFAULT "/run/husk" /* config/: the default of runtime.state_dir */

static int replace_in(const char *dir, const char *name, const char *text, struct err *e)
{
	auto_close int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, errno, "open '%s'", dir);
	return file_replace(fd, name, text, strlen(text), e);
}

int record_write(const char *state_dir, const char *sandbox_id, const struct shim_record *r,
		 struct err *e)
{
	auto_free char *dir = xasprintf("%s/%s/%s", state_dir, r->ns, sandbox_id);
	auto_free char *text = NULL;
	uint64_t start_time;

	if (record_start_time(r->shim_pid, &start_time) < 0)
		return err_sys(e, errno, "start time of process %d", (int)r->shim_pid);
	text = json_object("s:namespace", r->ns, "s:bundle", r->bundle, "i:shim_pid",
			   (long long)r->shim_pid, "u:shim_start_time",
			   (unsigned long long)start_time, "i:vmm_pid", (long long)r->vmm_pid,
			   "i:started", (long long)time(NULL), NULL);
	return replace_in(dir, STATE_FILE, text, e);
}

static pid_t read_pid(const struct json *v, const char *name)
{
	int64_t pid;

	return json_i64(json_get(v, name), &pid) && pid > 0 && pid <= INT_MAX ? (pid_t)pid : 0;
}

int record_read(const char *state_dir, const char *ns, const char *sandbox_id,
		struct shim_record_found *ret, struct err *e)
{
	auto_free char *path = xasprintf("%s/%s/%s/" STATE_FILE, state_dir, ns, sandbox_id);
	auto_json struct json *v = NULL;
	auto_free char *text = NULL;
	struct err why = ERR_INIT;
	size_t len;

	if (file_read(AT_FDCWD, path, STATE_FILE_MAX, &text, &len, &why) < 0) {
		if (why.code == ERR_NOT_FOUND)
			return 0;
		*e = why;
		return -1;
	}
	if (json_parse(text, len, &v, e) < 0)
		return err_wrap(e, "'%s'", path);
	*ret = (struct shim_record_found){
		.shim_pid = read_pid(v, "shim_pid"),
		.vmm_pid = read_pid(v, "vmm_pid"),
	};
	if (!json_u64(json_get(v, "shim_start_time"), &ret->shim_start_time))
		ret->shim_pid = 0; /* a pid alone may be somebody else's by now */
	return 1;
}

int record_state_dir(const char *bundle, const char *state_dir, struct err *e)
{
	return replace_in(bundle, STATE_DIR_FILE, state_dir, e);
}

bool record_has_state_dir(const char *bundle)
{
	auto_free char *path = path_join(bundle, STATE_DIR_FILE);

	return access(path, F_OK) == 0;
}

char *record_find_state_dir(const char *bundle)
{
	auto_free char *path = path_join(bundle, STATE_DIR_FILE);
	struct config *config = NULL;
	struct err e = ERR_INIT;
	char *dir = NULL;

	if (file_read_line(AT_FDCWD, path, &dir, &e) == 0) {
		if (path_is_clean(dir))
			return dir;
		free(dir);
	}
	if (config_load(NULL, &config, &e) < 0) {
		log_debug("%s", e.text);
		return xstrdup(STATE_DIR_DEFAULT);
	}
	dir = xstrdup(config->runtime.state_dir);
	config_free(config);
	return dir;
}
