/* SPDX-License-Identifier: Apache-2.0 */
/* Noticing that the VM has died, and what waits for that. */
#include <signal.h>

#include "shim/sandbox/host_cgroup.h"
#include "shim/sandbox/state.h"

void sandbox_set_dead(struct sandbox *s, const struct err *why)
{
	if (s->dead)
		return;
	s->dead = true;
	s->why = *why;
	cond_wake_all(&s->changed);
	if (s->agent)
		agent_disconnect(s->agent);
}

/* What hypervisor/process.c can only suspect, and a later victim's own reason. */
static void blame_oom_killer(const struct hv_dead_process *p, struct err *why)
{
	if (p->name && p->exit_code == 128 + SIGKILL)
		err_set(why, ERR_UNAVAILABLE,
			"%s (pid %d) was killed by signal 9 (the host's OOM killer)", p->name,
			(int)p->pid);
	else
		err_wrap(why, "the host's OOM killer was at work");
}

static void watch(void *arg)
{
	struct sandbox *s = arg;
	struct err why = ERR_INIT, e = ERR_INIT;

	if (hv_wait_dead(s->hv, DEADLINE_NEVER, &why, &e) < 0)
		return; /* cancelled: it is being stopped */
	if (s->phase == SANDBOX_STOPPING)
		why.code = ERR_CANCELLED; /* the guest does what it was asked to */
	s->death.process = hv_dead_process(s->hv);
	if (host_cgroup_oom_kills(&s->dir) > 0) {
		s->death.host_oom = true;
		blame_oom_killer(&s->death.process, &why);
	}
	sandbox_set_dead(s, &why);
}

static void undo_watch(void *arg)
{
	struct sandbox *s = arg;

	fiber_group_cancel(&s->watch);
	fiber_group_wait(&s->watch);
}

void sandbox_watch(struct sandbox *s)
{
	fiber_group_start(&s->watch, "VM watch", watch, s);
	undo_push(&s->teardown, "VM watch", undo_watch, s);
}

struct sandbox_death sandbox_death(const struct sandbox *s)
{
	return s->death;
}

bool sandbox_alive(const struct sandbox *s)
{
	return !s->dead && s->phase == SANDBOX_RUNNING;
}

int sandbox_wait_dead(struct sandbox *s, struct deadline d, struct err *why, struct err *e)
{
	int result = 0;

	sandbox_enter(s);
	while (!s->dead && result == 0)
		result = cond_wait(&s->changed, d, e);
	if (result == 0)
		*why = s->why;
	sandbox_leave(s);
	return result;
}

int sandbox_explain(const struct sandbox *s, struct err *e)
{
	if (s->dead)
		err_set(e, ERR_UNAVAILABLE, "the VM is gone: %s", s->why.text);
	return -1;
}
