/* SPDX-License-Identifier: Apache-2.0 */
/* Plugged processors and memory; see online.h. */
#include "agent/guest/online.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "common/async/fiber.h"
#include "common/async/work.h"
#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/path.h"

#define POLL_MS 50

static void close_dir(DIR **d)
{
	if (*d)
		(void)closedir(*d);
}

/*
 * The <prefix><number>/online in a directory: *ret_off gets the names of those that are 0. What cannot be
 * changed (the boot processor has no such file) is on. Returns how many are.
 */
static int64_t look(DIR *d, const char *prefix, char ***ret_off)
{
	const struct dirent *entry;
	size_t len = strlen(prefix);
	int64_t on = 0;

	while ((entry = readdir(d))) {
		auto_free char *path = NULL;
		auto_free char *state = NULL;
		struct err absent = ERR_INIT;

		if (strncmp(entry->d_name, prefix, len) != 0 ||
		    !isdigit((unsigned char)entry->d_name[len]))
			continue;
		path = xasprintf("%s/online", entry->d_name);
		if (file_read_line(dirfd(d), path, &state, &absent) == 0 && strcmp(state, "0") == 0)
			strv_add(ret_off, path);
		else
			on++;
	}
	return on;
}

/* Each can take the kernel a while, memory by its size: on the worker pool. */
struct online_work {
	const char *sys, *dir, *prefix;
	int64_t most;
	int64_t on; /* afterwards; -1 without <sys>/<dir> */
	int error;
};

/* Write 1 where 0 is, until `most` are on. */
static void online_now(void *arg)
{
	struct online_work *w = arg;
	auto_free char *path = path_join(w->sys, w->dir);
	CLEANUP(close_dir) DIR *d = opendir(path);
	auto_strv char **off = NULL;

	w->on = -1;
	w->error = d ? 0 : errno;
	if (!d)
		return;
	w->on = look(d, w->prefix, &off);
	for (size_t i = 0; off && off[i] && w->on < w->most; i++) {
		struct err refused = ERR_INIT;

		w->on += file_write(dirfd(d), off[i], "1", 1, &refused) == 0;
	}
}

int online_cpus(const char *sys, uint32_t wanted, struct deadline d, struct err *e)
{
	struct online_work w = { sys, "devices/system/cpu", "cpu", wanted, 0, 0 };

	for (;;) {
		work_run(online_now, &w);
		if (w.on >= (int64_t)wanted)
			return 0;
		if (deadline_passed(d))
			return err_set(e, ERR_TIMEOUT, "%lld processors are online, not %u",
				       (long long)w.on, wanted);
		if (fiber_sleep_ms(POLL_MS, e) < 0)
			return -1;
	}
}

int online_memory(const char *sys, struct err *e)
{
	struct online_work w = { sys, "devices/system/memory", "memory", INT64_MAX, 0, 0 };

	work_run(online_now, &w);
	if (w.on < 0 && w.error != ENOENT)
		return err_sys(e, w.error, "read '%s/%s'", sys, w.dir);
	return 0;
}
