/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernel modules; see modules.h. Workers take the boot's modules off their list in its order and load
 * several at a time: a module whose need is being loaded by somebody else waits for it in the kernel
 * (resolve_symbol_wait()); one whose need has not even begun fails with ENOENT and gets a second turn
 * at the end.
 */
#include "agent/guest/modules.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>

#include "common/async/fiber.h"
#include "common/async/work.h"
#include "common/base/fd.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/path.h"

#define LIST     "/etc/husk/modules"
#define LIST_MAX (64u << 10)
#define LOADERS  4 /* as many as the worker pool has threads */

/* linux/module.h: the kernel unpacks it (CONFIG_MODULE_DECOMPRESS, 5.17). */
#define COMPRESSED_FILE 4

struct load {
	const char *path;
	int sys;
};

static void load_now(void *arg)
{
	struct load *l = arg;
	const char *ext = strrchr(path_base(l->path), '.');
	auto_close int fd = open(l->path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || syscall(SYS_finit_module, fd, "",
			      ext && strcmp(ext, ".ko") != 0 ? COMPRESSED_FILE : 0) < 0)
		l->sys = errno;
}

/* 0 or the errno; loaded already is 0. */
static int load(const char *path)
{
	struct load l = { .path = path };

	work_run(load_now, &l);
	return l.sys == EEXIST ? 0 : l.sys;
}

struct loading {
	char **path;
	size_t n, next;
	char **again; /* failed for want of something, NULL-terminated */
};

static void load_some(void *arg)
{
	struct loading *l = arg;

	while (l->next < l->n) {
		const char *path = l->path[l->next++];
		int sys = load(path);

		if (sys == ENOENT)
			strv_add(&l->again, path);
		else if (sys)
			log_warn("load module '%s': %s", path, strerror(sys));
	}
}

static void add_list(const char *file, char ***paths)
{
	auto_free char *text = NULL;
	struct err absent = ERR_INIT;
	char *rest;
	char *line;

	/* A kernel with everything built in comes without the list. */
	if (file_read(AT_FDCWD, file, LIST_MAX, &text, NULL, &absent) < 0)
		return;
	rest = text;
	while ((line = strsep(&rest, "\n")))
		if (line[0])
			strv_add(paths, line);
}

void modules_load_boot(const char *transport)
{
	auto_free char *for_transport = transport ? xasprintf(LIST ".%s", transport) : NULL;
	struct fiber_group loaders = FIBER_GROUP_INIT;
	struct loading l = { .next = 0 };
	auto_strv char **paths = NULL;

	add_list(LIST, &paths);
	if (for_transport)
		add_list(for_transport, &paths);
	l.path = paths;
	l.n = strv_len((const char *const *)paths);

	for (size_t i = 0; i < LOADERS && i < l.n; i++)
		fiber_group_start(&loaders, "module loader", load_some, &l);
	fiber_group_wait(&loaders);

	for (size_t i = 0; l.again && l.again[i]; i++) {
		int sys = load(l.again[i]);

		if (sys)
			log_warn("load module '%s': %s", l.again[i], strerror(sys));
	}
	strv_free(l.again);
}

int modules_load(const char *name, struct err *e)
{
	auto_free char *text = NULL;
	struct err absent = ERR_INIT;
	size_t len = strlen(name);
	char *rest;
	char *line;

	if (file_read(AT_FDCWD, LIST ".demand", LIST_MAX, &text, NULL, &absent) < 0)
		return 0;
	rest = text;
	while ((line = strsep(&rest, "\n"))) {
		char *paths = line + len + 1;
		char *path;

		if (strncmp(line, name, len) != 0 || line[len] != ':')
			continue;
		while ((path = strsep(&paths, " "))) {
			int sys = path[0] ? load(path) : 0;

			if (sys)
				return err_sys(e, sys, "load module '%s'", path);
		}
		return 0;
	}
	return 0;
}
