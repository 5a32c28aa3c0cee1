/* SPDX-License-Identifier: Apache-2.0 */
/* The table of the task service, and finding what a request is about; see service.h. */
#include "shim/task/service.h"

#include <assert.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/rpc/message.h"
#include "shim/task/container.h"
#include "shim/task/handlers.h"
#include "shim/task/watch.h"

static const struct rpc_method methods[] = {
	{ "State", on_state, PROCESS_ANY },
	{ "Create", on_create, RPC_ABSENT },
	{ "Start", on_start, PROCESS_CREATED },
	{ "Delete", on_delete, PROCESS_ANY | PROCESS_CREATING },
	{ "Pids", on_pids, PROCESS_ANY },
	{ "Pause", on_pause, PROCESS_RUNNING },
	{ "Resume", on_resume, PROCESS_PAUSED },
	{ "Checkpoint", on_checkpoint, 0 },
	{ "Kill", on_kill, PROCESS_ANY },
	{ "Exec", on_exec, PROCESS_RUNNING },
	{ "ResizePty", on_resize_pty, PROCESS_ANY },
	{ "CloseIO", on_close_io, PROCESS_ANY },
	{ "Update", on_update, PROCESS_ANY & ~PROCESS_STOPPED },
	{ "Wait", on_wait, PROCESS_ANY | RPC_ENDS_WITH_PEER },
	{ "Stats", on_stats, PROCESS_ANY | PROCESS_CREATING },
	{ "Connect", on_connect, 0 },
	{ "Shutdown", on_shutdown, 0 },
};

/* Exec names a process that is not there yet: its target is the container's init process. */
static uint32_t find_target(void *self, const struct rpc_method *method, const void *req,
			    void **ret_target, const char **ret_state_name, struct err *e)
{
	const struct task_service *s = self;
	const char *id = message_string(req, "id");
	const char *exec_id = message_string(req, "exec_id");
	const struct container *c = container_find(s, id);
	struct process *p;

	(void)e;
	p = c ? c->init : NULL;
	if (p && exec_id[0] != '\0' && method->handle != on_exec)
		p = container_find_exec(c, exec_id);
	if (!p)
		return RPC_ABSENT;
	*ret_target = p;
	*ret_state_name = process_state_name(p->state);
	return p->state;
}

struct task_service *task_service_new(const struct task_service_params *p)
{
	struct task_service *s = xnew(struct task_service);
	struct err e = ERR_INIT;

	s->ns = xstrdup(p->ns);
	s->sandbox_id = xstrdup(p->sandbox_id);
	s->config_path = xstrdup(p->config_path ? p->config_path : "");
	s->publisher = p->publisher;
	s->sandbox_changed = COND_INIT;
	s->shutdown_wanted = COND_INIT;
	s->fibers = FIBER_GROUP_INIT;
	s->watchers = FIBER_GROUP_INIT;
	s->rpc_v2 = (struct rpc_service){
		.name = "containerd.task.v2.Task",
		.desc = &containerd__task__v2__task__descriptor,
		.methods = methods,
		.n_methods = ARRAY_LEN(methods),
		.self = s,
		.target = find_target,
	};
	s->rpc_v3 = s->rpc_v2;
	s->rpc_v3.name = "containerd.task.v3.Task";
	s->table[0] = &s->rpc_v2;
	s->table[1] = &s->rpc_v3;
	if (rpc_service_check(&s->rpc_v2, &e) < 0) {
		log_error("%s", e.text);
		abort();
	}
	return s;
}

const struct rpc_service *const *task_service_table(const struct task_service *s, size_t *ret_n)
{
	*ret_n = ARRAY_LEN(s->table);
	return s->table;
}

struct sandbox *task_service_sandbox(const struct task_service *s)
{
	return s->booting || s->ending || s->ended ? NULL : s->sandbox;
}

bool task_service_busy(const struct task_service *s)
{
	return s->containers || s->api || s->booting || (s->sandbox && !s->ended);
}

int task_service_wait_shutdown(struct task_service *s, struct deadline d, struct err *e)
{
	while (!s->shutdown)
		if (cond_wait(&s->shutdown_wanted, d, e) < 0)
			return -1;
	return 0;
}

void task_service_free(struct task_service *s)
{
	struct container *c, *next;
	struct err e = ERR_INIT;

	if (!s)
		return;
	/* Each Create's handler has returned, see service.h: no boot is under way. */
	assert(!s->booting);
	s->agent_lost = true; /* nobody waits for the guest's last words */
	service_end_sandbox(s);
	if (service_wait_ended(s, DEADLINE_NEVER, &e) < 0)
		log_debug("%s", e.text);
	fiber_group_cancel(&s->fibers);
	fiber_group_wait(&s->fibers);
	HASH_ITER(hh, s->containers, c, next) {
		if (c->handle)
			sandbox_forget_container(take_ptr(c->handle));
		container_forget(c);
	}
	sandbox_free(s->sandbox);
	config_free(s->config);
	free(s->ns);
	free(s->sandbox_id);
	free(s->config_path);
	free(s);
}
