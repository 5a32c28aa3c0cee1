/* SPDX-License-Identifier: Apache-2.0 */
/* Verified devices of storages, and who may call device-mapper now; see verified.h. */
#include "agent/storage/verified.h"

#include <string.h>

#include "agent/modules.h"
#include "common/async/fiber.h"
#include "common/async/work.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "common/verity/mapped.h"

/* One call at a time, in turn. */
static struct {
	bool busy;
	struct cond idle;
} mapper;

static unsigned last_serial;

/* Whatever cancels the fiber: who takes devices away must get to it. */
static void mapper_enter(void)
{
	while (mapper.busy)
		(void)cond_wait_uncancellable(&mapper.idle, DEADLINE_NEVER);
	mapper.busy = true;
}

static void mapper_leave(void)
{
	mapper.busy = false;
	cond_wake_one(&mapper.idle);
}

struct mapping {
	const struct verity_params *p;
	const char *node, *name;
	struct verity_device *device;
	struct err e;
	bool failed;
};

static void open_now(void *arg)
{
	struct mapping *m = arg;

	m->failed = verity_open(m->p, m->node, m->name, m->device, &m->e) < 0;
}

static void close_now(void *arg)
{
	struct mapping *m = arg;

	m->failed = verity_close(m->device, &m->e) < 0;
}

static void undo_open(void *arg)
{
	struct verity_device *device = arg;
	struct mapping m = { .device = device, .e = ERR_INIT };

	mapper_enter();
	work_run(close_now, &m);
	mapper_leave();
	if (m.failed)
		log_warn("verified device stays: %s", m.e.text);
	free(device);
}

int verified_open(const struct verity_params *p, const char *node, const struct storage_user *user,
		  struct undo *teardown, char **ret_node, struct err *e)
{
	auto_free struct verity_device *device = xnew(struct verity_device);
	char name[VERITY_NAME_MAX + 1];
	struct mapping m = { .p = p, .node = node, .name = name, .device = device, .e = ERR_INIT };

	if (modules_demand("dm_verity", e) < 0)
		return -1;
	verity_device_name(name, p, path_base(node),
			   user->container_id ? user->container_id : "sandbox", ++last_serial);
	mapper_enter();
	work_run(open_now, &m);
	mapper_leave();
	if (m.failed) {
		*e = m.e;
		return err_wrap(e, "verify '%s'", node);
	}
	*ret_node = xstrdup(device->node);
	undo_push(teardown, "verified device", undo_open, take_ptr(device));
	return 0;
}
