/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The steps of dm.h by libdevmapper. The library is told not to wait for udev and makes no nodes:
 * mapped.c does, from the number, because the library would only queue them.
 */
#include <errno.h>
#include <libdevmapper.h>
#include <sys/sysmacros.h>

#include "common/verity/dm.h"

/* What the library would print; the errno says the same. */
static void no_log(int level, const char *file, int line, int error, const char *format, ...)
{
	(void)level;
	(void)file;
	(void)line;
	(void)error;
	(void)format;
}

/* With the library's fallback off it leaves nodes alone (verity-erofs 6.1). */
#define NO_UDEV                                                                 \
	(DM_UDEV_DISABLE_DM_RULES_FLAG | DM_UDEV_DISABLE_SUBSYSTEM_RULES_FLAG | \
	 DM_UDEV_DISABLE_DISK_RULES_FLAG | DM_UDEV_DISABLE_OTHER_RULES_FLAG |   \
	 DM_UDEV_DISABLE_LIBRARY_FALLBACK)

int dm_prepare(void)
{
	dm_log_with_errno_init(no_log);
	dm_udev_set_sync_support(0);
	dm_udev_set_checking(0);
	return 0;
}

static void task_done(struct dm_task **t)
{
	if (*t)
		dm_task_destroy(*t);
}
#define auto_task CLEANUP(task_done)

static struct dm_task *task_new(int type, const char *name)
{
	struct dm_task *t = dm_task_create(type);

	if (t && !dm_task_set_name(t, name)) {
		dm_task_destroy(t);
		t = NULL;
	}
	return t;
}

static int task_run(struct dm_task *t)
{
	if (dm_task_run(t))
		return 0;
	return dm_task_get_errno(t) ? dm_task_get_errno(t) : EIO;
}

static int task_run_without_udev(struct dm_task *t)
{
	uint32_t cookie = 0;
	int sys;

	if (!dm_task_set_cookie(t, &cookie, NO_UDEV))
		return EIO;
	sys = task_run(t);
	(void)dm_udev_wait(cookie);
	return sys;
}

int dm_create(const char *name, dev_t *ret)
{
	auto_task struct dm_task *t = task_new(DM_DEVICE_CREATE, name);
	struct dm_info info;
	int sys;

	if (!t)
		return ENOMEM;
	sys = task_run_without_udev(t);
	if (sys)
		return sys;
	if (!dm_task_get_info(t, &info) || !info.exists) {
		(void)dm_remove(name, false);
		return ENXIO;
	}
	*ret = makedev(info.major, info.minor);
	return 0;
}

int dm_load(const char *name, uint64_t sectors, const char *table)
{
	auto_task struct dm_task *t = task_new(DM_DEVICE_RELOAD, name);

	if (!t || !dm_task_set_ro(t) || !dm_task_add_target(t, 0, sectors, "verity", table))
		return ENOMEM;
	return task_run(t);
}

int dm_resume(const char *name)
{
	auto_task struct dm_task *t = task_new(DM_DEVICE_RESUME, name);

	return t ? task_run_without_udev(t) : ENOMEM;
}

int dm_remove(const char *name, bool deferred)
{
	auto_task struct dm_task *t = task_new(DM_DEVICE_REMOVE, name);

	if (!t || (deferred && !dm_task_deferred_remove(t)))
		return ENOMEM;
	return task_run_without_udev(t);
}
