/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernel modules of the initrd; see modules.h. The image build lists them with what each needs:
 *
 *   /lib/modules/…/virtio_pci.ko /lib/modules/…/virtio.ko /lib/modules/…/virtio_ring.ko
 *
 * and those on demand with the name that they are loaded for:
 *
 *   virtio_scsi: /lib/modules/…/sd_mod.ko /lib/modules/…/scsi_mod.ko …
 *
 * One fiber for each: it waits until what its module needs is loaded, then has a worker load it, so
 * that what can be loaded side by side is. With one processor nothing can: then they are loaded in the
 * order of the list, in which needs come first, without the cost of threads.
 */
#include "agent/modules.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/async/fiber.h"
#include "common/async/work.h"
#include "common/base/fd.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/path.h"

#define MODULES_FILE     "/etc/husk/modules"
#define MODULES_FILE_MAX (64u << 10)

/* linux/module.h: the kernel unpacks it (CONFIG_MODULE_DECOMPRESS, 5.17). */
#define COMPRESSED_FILE 4

struct module {
	struct module_list *list;
	char *path, *needs; /* of other lines, separated by spaces */
	int sys;            /* of the load; 0: loaded */
	bool done;
};

struct module_list {
	struct module *module;
	size_t n;
	struct cond changed;
};

static void load_now(void *arg)
{
	struct module *m = arg;
	const char *ext = strrchr(path_base(m->path), '.');
	auto_close int fd = open(m->path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || syscall(SYS_finit_module, fd, "",
			      ext && strcmp(ext, ".ko") != 0 ? COMPRESSED_FILE : 0) < 0)
		m->sys = errno == EEXIST ? 0 : errno;
}

/* A need that no line has is built into the kernel, or will be missed by name below. */
static bool all_done(const struct module_list *list, const char *needs)
{
	for (size_t i = 0; i < list->n; i++) {
		const struct module *m = &list->module[i];

		if (!m->done && strstr(needs, m->path))
			return false;
	}
	return true;
}

static void load_in_turn(void *arg)
{
	struct module *m = arg;
	struct err e = ERR_INIT;

	while (!all_done(m->list, m->needs))
		if (cond_wait(&m->list->changed, DEADLINE_NEVER, &e) < 0)
			return;
	work_run(load_now, m);
	m->done = true;
	cond_wake_all(&m->list->changed);
}

/* One line, which the entry points into. */
static void list_add(struct module_list *list, char *line)
{
	char *path = strsep(&line, " ");

	if (!path[0])
		return;
	list->module = xrealloc(list->module, (list->n + 1) * sizeof(list->module[0]));
	list->module[list->n++] = (struct module){
		.list = list,
		.path = path,
		.needs = line ? line : path + strlen(path),
	};
}

/* Cuts up `text`. With a name: the lines that begin with it and a colon. */
static void list_add_lines(struct module_list *list, char *text, const char *name)
{
	size_t len = name ? strlen(name) : 0;
	char *line;

	while ((line = strsep(&text, "\n"))) {
		if (!name)
			list_add(list, line);
		else if (strncmp(line, name, len) == 0 && strncmp(line + len, ": ", 2) == 0)
			list_add(list, line + len + 2);
	}
}

static bool have_one_processor(void)
{
	cpu_set_t mine;

	return sched_getaffinity(0, sizeof(mine), &mine) == 0 && CPU_COUNT(&mine) == 1;
}

static void list_load(struct module_list *list)
{
	struct fiber_group loaders = FIBER_GROUP_INIT;

	if (have_one_processor()) {
		for (size_t i = 0; i < list->n; i++)
			load_now(&list->module[i]);
		return;
	}

	for (size_t i = 0; i < list->n; i++)
		fiber_group_start(&loaders, "module loader", load_in_turn, &list->module[i]);
	fiber_group_wait(&loaders);
}

void modules_boot(const char *transport)
{
	auto_free char *own_file = xasprintf(MODULES_FILE ".%s", transport);
	struct module_list list = { .n = 0 };
	auto_free char *common = NULL;
	auto_free char *own = NULL;
	struct err absent = ERR_INIT;

	if (file_read(AT_FDCWD, MODULES_FILE, MODULES_FILE_MAX, &common, NULL, &absent) == 0)
		list_add_lines(&list, common, NULL);
	if (file_read(AT_FDCWD, own_file, MODULES_FILE_MAX, &own, NULL, &absent) == 0)
		list_add_lines(&list, own, NULL);
	list_load(&list);
	for (size_t i = 0; i < list.n; i++)
		if (list.module[i].sys)
			log_warn("load module '%s': %s", list.module[i].path,
				 strerror(list.module[i].sys));
	free(list.module);
}

/* Names that were loaded: each disk asks again. */
static char **loaded;

static bool is_loaded(const char *name)
{
	for (size_t i = 0; loaded && loaded[i]; i++)
		if (strcmp(loaded[i], name) == 0)
			return true;
	return false;
}

/* What the kernel wants a module for stands in front of its name. */
static const char *requested_name(const char *request)
{
	static const char *const uses[] = { "rtnl-link-", "fs-" };

	for (size_t i = 0; i < ARRAY_LEN(uses); i++)
		if (strncmp(request, uses[i], strlen(uses[i])) == 0)
			return request + strlen(uses[i]);
	return request;
}

int modules_probe(const char *request)
{
	struct module_list list = { .n = 0 };
	auto_free char *text = NULL;
	struct err absent = ERR_INIT;
	int status;

	if (file_read(AT_FDCWD, MODULES_FILE ".demand", MODULES_FILE_MAX, &text, NULL, &absent) < 0)
		return 1;
	list_add_lines(&list, text, requested_name(request));
	status = list.n == 0;
	for (size_t i = 0; i < list.n; i++) {
		load_now(&list.module[i]);
		status |= list.module[i].sys != 0;
	}
	free(list.module);
	return status;
}

int modules_demand(const char *name, struct err *e)
{
	struct module_list list = { .n = 0 };
	auto_free char *text = NULL;
	struct err absent = ERR_INIT;
	int r = 0;

	if (is_loaded(name))
		return 0;
	if (file_read(AT_FDCWD, MODULES_FILE ".demand", MODULES_FILE_MAX, &text, NULL, &absent) < 0)
		return 0;
	list_add_lines(&list, text, name);
	list_load(&list);
	for (size_t i = 0; i < list.n && r == 0; i++)
		if (list.module[i].sys)
			r = err_sys(e, list.module[i].sys, "load module '%s'", list.module[i].path);
	if (r == 0 && !is_loaded(name))
		strv_add(&loaded, name);
	free(list.module);
	return r;
}
