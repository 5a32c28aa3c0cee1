/* SPDX-License-Identifier: Apache-2.0 */
/* Containers of the service and what they share; see container.h. */
#include "shim/task/container.h"

#include <assert.h>
#include <string.h>

#include "common/base/mem.h"

struct container *container_new(struct task_service *s, const char *id, const char *bundle)
{
	struct container *c = xnew(struct container);

	c->service = s;
	c->id = xstrdup(id);
	c->bundle = xstrdup(bundle);
	c->creating = FIBER_GROUP_INIT;
	c->stats_changed = COND_INIT;
	c->refs = 1;
	c->init = process_new(c, "");
	HASH_ADD_KEYPTR(hh, s->containers, c->id, strlen(c->id), c);
	return c;
}

void container_ref(struct container *c)
{
	c->refs++;
}

void container_unref(struct container *c)
{
	if (--c->refs > 0)
		return;
	assert(!c->handle);
	process_free(c->init);
	if (c->stats)
		grpc__stats_container_response__free_unpacked(c->stats, NULL);
	free(c->id);
	free(c->bundle);
	free(c);
}

struct container *container_find(const struct task_service *s, const char *id)
{
	struct container *c;

	HASH_FIND_STR(s->containers, id, c);
	return c;
}

struct process *container_find_exec(const struct container *c, const char *exec_id)
{
	struct process *p;

	HASH_FIND_STR(c->execs, exec_id, p);
	return p;
}

struct process *container_add_exec(struct container *c, const char *exec_id)
{
	struct process *p;

	container_ref(c);
	p = process_new(c, exec_id);
	HASH_ADD_STR(c->execs, exec_id, p);
	return p;
}

/* No request finds it any more; who waits for it is told, and the table's reference goes. */
static void forget(struct process *p)
{
	p->deleted = true;
	cond_wake_all(&p->changed);
	process_unref(p);
}

void container_forget_exec(struct process *p)
{
	HASH_DEL(p->container->execs, p);
	forget(p);
}

void container_forget(struct container *c)
{
	struct task_service *s = c->service;
	struct process *exec, *next;

	HASH_ITER(hh, c->execs, exec, next)
		container_forget_exec(exec);
	HASH_DEL(s->containers, c);
	forget(c->init);
	if (!s->containers && s->shutdown_when_empty) {
		s->shutdown = true;
		cond_wake_all(&s->shutdown_wanted);
	}
}

bool container_owns_sandbox(const struct container *c)
{
	return !c->service->api && strcmp(c->id, c->service->sandbox_id) == 0;
}

pid_t service_pid(const struct task_service *s)
{
	return s->vmm_pid;
}

int service_agent(const struct task_service *s, struct agent **ret, struct err *e)
{
	if (!s->sandbox || s->ending || s->ended || !sandbox_alive(s->sandbox))
		return err_set(e, ERR_UNAVAILABLE, "the virtual machine is gone");
	*ret = sandbox_agent(s->sandbox);
	return 0;
}

int container_agent(const struct container *c, struct agent **ret, struct err *e)
{
	if (c->is_sandbox)
		return err_set(e, ERR_STATE,
			       "it is the sandbox of a pod, which has no process of its own");
	return service_agent(c->service, ret, e);
}

struct deadline service_deadline(const struct task_service *s, struct deadline request)
{
	int64_t limit_s = s->config ? s->config->agent.request_timeout_s : 60;

	return deadline_min(request, deadline_in_ms(limit_s * 1000));
}
