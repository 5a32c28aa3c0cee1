/* SPDX-License-Identifier: Apache-2.0 */
/* Kill: a signal to a process, or to all of a container (containerd-shim.md 4.6). */
#include <signal.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "shim/task/container.h"
#include "shim/task/handlers.h"
#include "shim/task/watch.h"

/* SIGKILL is how containerd gets rid of a container: an agent that hangs must not prevent that. */
#define KILL_LIMIT_MS 5000

/* A process that was never started, or is none, has no handlers: these signals end it. */
static bool ends_without_handler(uint32_t signal)
{
	return signal == SIGKILL || signal == SIGTERM || signal == SIGINT || signal == SIGQUIT ||
	       signal == SIGHUP;
}

static int already_finished(struct err *e)
{
	return err_set(e, ERR_NOT_FOUND, "process already finished");
}

/* Every process of the container, as far as the protocol can say it: SIGKILL alone goes to all. */
static int signal_all(struct container *c, struct agent *agent, uint32_t signal, struct deadline d,
		      struct err *e)
{
	int result = agent_signal_process(agent, c->id, "", signal, d, e);
	auto_free struct process **execs = NULL;
	struct process *exec, *next;
	size_t n = 0;

	if (signal == SIGKILL)
		return result;
	/* The table may change while the agent is asked: go by a list of those that run now. */
	execs = xcalloc(HASH_COUNT(c->execs) + 1, sizeof(execs[0]));
	HASH_ITER(hh, c->execs, exec, next)
		if (exec->state == PROCESS_RUNNING)
			execs[n++] = process_ref(exec);
	for (size_t i = 0; i < n; i++) {
		struct err ignored = ERR_INIT; /* it may have ended meanwhile */

		if (agent_signal_process(agent, c->id, execs[i]->exec_id, signal, d, &ignored) < 0)
			log_debug("signal %u: %s", signal, ignored.text);
		process_unref(execs[i]);
	}
	return result;
}

/* The signal goes to a process in the guest. */
static int signal_in_guest(struct process *p, uint32_t signal, bool all, struct deadline d,
			   struct err *e)
{
	struct container *c = p->container;
	bool paused = p->state == PROCESS_PAUSED || p->freezing;
	struct err thaw = ERR_INIT;
	struct agent *agent;
	int result;

	if (service_agent(c->service, &agent, e) < 0)
		return -1;
	if (process_is_init(p) && all)
		result = signal_all(c, agent, signal, d, e);
	else
		result = agent_signal_process(agent, c->id, p->exec_id, signal, d, e);
	/* A frozen cgroup of version 1 holds even SIGKILL back. */
	if (result == 0 && signal == SIGKILL && paused &&
	    agent_resume_container(agent, c->id, d, &thaw) < 0)
		log_debug("kill paused %s: %s", c->id, thaw.text);
	return result;
}

/* The guest learns of an exec while that is started: before, it would say that there is none. */
static int wait_for_start(struct process *p, struct deadline d, struct err *e)
{
	while (p->state == PROCESS_STARTING)
		if (cond_wait(&p->changed, d, e) < 0)
			return err_wrap(e, "kill '%s': wait until it has started", p->exec_id);
	return 0;
}

int on_kill(const struct rpc_call *call, const void *request, void *response, struct err *e)
{
	const Containerd__Task__V2__KillRequest *req = request;
	auto_process struct process *p = process_ref(call->target);
	struct task_service *s = call->self;
	struct deadline d = service_deadline(s, call->deadline);

	(void)response;
	if (req->signal >= NSIG)
		return err_set(e, ERR_INVALID, "there is no signal %u", req->signal);
	if (req->signal == SIGKILL)
		d = deadline_min(d, deadline_in_ms(KILL_LIMIT_MS));
	if (!process_is_init(p) && wait_for_start(p, d, e) < 0)
		return -1;
	if (p->state == PROCESS_STOPPED)
		return already_finished(e);
	if (p->state == PROCESS_CREATED || p->container->is_sandbox) {
		if (ends_without_handler(req->signal))
			process_finish(p, 128 + req->signal, process_now());
		return 0;
	}
	/* Is it there? The guest need not be asked: its exit is known here before anybody learns of it. */
	if (req->signal == 0)
		return 0;
	if (signal_in_guest(p, req->signal, req->all, d, e) == 0)
		return 0;

	if (p->state == PROCESS_STOPPED || e->code == ERR_NOT_FOUND)
		return already_finished(e);
	if (req->signal != SIGKILL || !process_is_init(p))
		return err_wrap(e, "kill '%s'", p->container->id);
	/* With the VM gone, or about to be, the process ends without us. */
	if (e->code == ERR_UNAVAILABLE)
		return 0;
	if (e->code == ERR_TIMEOUT && container_owns_sandbox(p->container)) {
		log_error("kill '%s': %s; ending the sandbox", p->container->id, e->text);
		s->agent_lost = true;
		service_end_sandbox(s);
		return 0;
	}
	return err_wrap(e, "kill '%s'", p->container->id);
}
