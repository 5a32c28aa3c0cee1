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

#define SYSTEM_DIR "/sys/devices/system"
#define POLL_MS    50

static void close_dir(DIR **d)
{
	if (*d)
		(void)closedir(*d);
}

/*
 * Write 1 to <dir>/<prefix><number>/online wherever that is 0. What cannot be changed (the boot
 * processor has no such file) is on already. Returns how many are on afterwards, -1 without dir.
 */
static int64_t set_online(const char *dir, const char *prefix)
{
	CLEANUP(close_dir) DIR *d = opendir(dir);
	const struct dirent *entry;
	size_t len = strlen(prefix);
	int64_t on = 0;

	if (!d)
		return -1;
	while ((entry = readdir(d))) {
		auto_free char *path = NULL;
		auto_free char *state = NULL;
		struct err ignored = ERR_INIT;

		if (strncmp(entry->d_name, prefix, len) != 0 ||
		    !isdigit((unsigned char)entry->d_name[len]))
			continue;
		path = xasprintf("%s/online", entry->d_name);
		if (file_read_line(dirfd(d), path, &state, &ignored) < 0 ||
		    strcmp(state, "0") != 0 || file_write(dirfd(d), path, "1", 1, &ignored) == 0)
			on++;
	}
	return on;
}

/* Each can take the kernel a while, memory by its size: on the worker pool. */
struct online_work {
	const char *dir, *prefix;
	int64_t on;
	int sys;
};

static void online_now(void *arg)
{
	struct online_work *w = arg;

	w->on = set_online(w->dir, w->prefix);
	w->sys = w->on < 0 ? errno : 0;
}

int online_cpus(uint32_t wanted, struct deadline d, struct err *e)
{
	struct online_work w = { .dir = SYSTEM_DIR "/cpu", .prefix = "cpu" };

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

int online_memory(struct err *e)
{
	struct online_work w = { .dir = SYSTEM_DIR "/memory", .prefix = "memory" };

	work_run(online_now, &w);
	return w.on < 0 && w.sys != ENOENT ? err_sys(e, w.sys, "read '%s'", w.dir) : 0;
}
