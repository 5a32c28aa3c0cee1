/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernel modules of the initrd, listed by the image build with what they need before them. Workers
 * take them off the list in that order and load several at a time: a module whose need is being
 * loaded by somebody else waits for it in the kernel (resolve_symbol_wait()); one whose need has not
 * even begun fails with ENOENT and gets a second turn at the end.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>

#include "agent/init.h"
#include "common/async/fiber.h"
#include "common/async/work.h"
#include "common/base/fd.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/path.h"

#define MODULES_FILE     "/etc/husk/modules"
#define MODULES_FILE_MAX (64u << 10)
#define LOADERS          4 /* as many as the worker pool has threads */

/* linux/module.h: the kernel unpacks it (CONFIG_MODULE_DECOMPRESS, 5.17). */
#define COMPRESSED_FILE 4

struct module_list {
	char **path;
	size_t n, next;
	char **again; /* failed for want of something, NULL-terminated */
};

struct load {
	const char *path;
	int sys;
};

static void load_now(void *arg)
{
	struct load *l = arg;
	const char *base = path_base(l->path);
	const char *ext = strrchr(base, '.');
	auto_close int fd = open(l->path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || syscall(SYS_finit_module, fd, "",
			      ext && strcmp(ext, ".ko") != 0 ? COMPRESSED_FILE : 0) < 0)
		l->sys = errno;
}

static void load_some(void *arg)
{
	struct module_list *list = arg;

	while (list->next < list->n) {
		struct load l = { .path = list->path[list->next++] };

		work_run(load_now, &l);
		if (l.sys == ENOENT)
			strv_add(&list->again, l.path);
		else if (l.sys && l.sys != EEXIST)
			log_warn("load module '%s': %s", l.path, strerror(l.sys));
	}
}

void init_modules(void)
{
	struct module_list list = { .next = 0 };
	struct fiber_group loaders = FIBER_GROUP_INIT;
	auto_strv char **paths = NULL;
	auto_free char *text = NULL;
	struct err absent = ERR_INIT;
	char *rest;
	char *line;

	/* A kernel with everything built in comes without the list. */
	if (file_read(AT_FDCWD, MODULES_FILE, MODULES_FILE_MAX, &text, NULL, &absent) < 0)
		return;
	rest = text;
	while ((line = strsep(&rest, "\n")))
		if (line[0])
			strv_add(&paths, line);
	list.path = paths;
	list.n = strv_len((const char *const *)paths);

	for (int i = 0; i < LOADERS && (size_t)i < list.n; i++)
		fiber_group_start(&loaders, "module loader", load_some, &list);
	fiber_group_wait(&loaders);

	for (size_t i = 0; list.again && list.again[i]; i++) {
		struct load l = { .path = list.again[i] };

		work_run(load_now, &l);
		if (l.sys && l.sys != EEXIST)
			log_warn("load module '%s': %s", l.path, strerror(l.sys));
	}
	strv_free(list.again);
}
