/* SPDX-License-Identifier: Apache-2.0 */
/* Ends of processes, of the VM and of the sandbox; see watch.h. */
#include "shim/task/watch.h"

#include <signal.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "shim/events/sandbox_event.h"
#include "shim/events/task_events.h"

/*
 * Output that is still on its way delays the news of an exit, but not for long: a reader that
 * stalls must not make a process look alive. What is left is passed on afterwards.
 */
#define DRAIN_MS        2000
#define DRAIN_DEAD_MS   200 /* without a VM nothing more is coming */
/* Before the VM is stopped, its last chance: as long as the runc shim waits in Delete. */
#define DRAIN_LAST_MS   10000
/* The kernel kills the processes of a pid namespace with its init: their news is on the way. */
#define EXECS_MS        500
#define EXECS_KILLED_MS 500
/* From the VM's death until its tasks are known to have ended: the promise is one second. */
#define DEATH_MS        700
#define STATS_MS        1000
/* Between two news of this kind: how often there are some the guest decides. */
#define OOM_PAUSE_MS    100
#define REMOVE_MS       5000

static bool vm_alive(const struct task_service *s)
{
	return s->sandbox && !s->ended && sandbox_alive(s->sandbox);
}

static struct process *first_exec_alive(const struct container *c)
{
	struct process *exec, *next;

	HASH_ITER(hh, c->execs, exec, next)
		if (exec->state != PROCESS_STOPPED)
			return exec;
	return NULL;
}

/* Until p has stopped, at most until d. */
static bool wait_stopped(struct process *p, struct deadline d)
{
	struct err e = ERR_INIT;

	while (p->state != PROCESS_STOPPED)
		if (cond_wait(&p->changed, d, &e) < 0)
			return false;
	return true;
}

static void kill_exec(struct process *exec)
{
	struct container *c = exec->container;
	struct agent *agent;
	struct err e = ERR_INIT;

	if (service_agent(c->service, &agent, &e) < 0 ||
	    agent_signal_process(agent, c->id, exec->exec_id, SIGKILL,
				 deadline_in_ms(EXECS_KILLED_MS), &e) < 0)
		log_debug("kill process %s of %s: %s", exec->exec_id, c->id, e.text);
}

/* The init process's exit is the last of its container. */
static void end_execs(struct container *c)
{
	struct deadline soon = deadline_in_ms(EXECS_MS);
	struct process *exec;

	while ((exec = first_exec_alive(c))) {
		auto_process struct process *ref = process_ref(exec);
		bool in_guest = ref->state != PROCESS_CREATED && ref->state != PROCESS_CREATING;

		if (in_guest && wait_stopped(ref, soon))
			continue;
		if (in_guest) {
			kill_exec(ref);
			if (wait_stopped(ref, deadline_in_ms(EXECS_KILLED_MS)))
				continue;
		}
		process_set_exited(ref, EXIT_STATUS_KILLED, process_now());
	}
}

void process_finish(struct process *p, uint32_t status, struct timespec at)
{
	struct container *c = p->container;
	struct task_service *s = c->service;

	if (p->state == PROCESS_STOPPED)
		return;
	if (p->attached)
		stdio_drain(p->io, deadline_in_ms(vm_alive(s) ? DRAIN_MS : DRAIN_DEAD_MS));
	else
		stdio_free(take_ptr(p->io)); /* its readers are waiting for an end */
	if (process_is_init(p))
		end_execs(c);
	process_set_exited(p, status, at);
	if (process_is_init(p) && container_owns_sandbox(c))
		service_end_sandbox(s);
}

/* The reason that a kubelet can show of an exit is this event. */
static void tell_all_oom(const struct task_service *s)
{
	struct container *c, *next;

	HASH_ITER(hh, s->containers, c, next) {
		if (!(c->init->state & (PROCESS_ANY & ~PROCESS_STOPPED)))
			continue;
		c->oom_kills++;
		event_task_oom(s->publisher, c->id);
	}
}

static void tell_end(struct task_service *s, const struct err *why, const char *what,
		     const struct sandbox_died_event *ev)
{
	struct sandbox_died_event event = *ev;
	auto_free char *text = xasprintf("sandbox %s %s: %s", s->sandbox_id, what, why->text);

	log_error("%s", text);
	s->sandbox_end = *why;
	event.sandbox_id = s->sandbox_id;
	event.text = text;
	event_sandbox_died(s->publisher, &event);
}

/*
 * To be told before the exits that come of it, so that each fiber which has one to tell calls this first. The
 * first reason stays, and a machine that was stopped did not die.
 */
static void note_death(struct task_service *s, const struct err *why)
{
	struct sandbox_death death = sandbox_death(s->sandbox);

	if (why->code == ERR_CANCELLED || s->sandbox_end.code != ERR_NONE)
		return;
	tell_end(s, why, "died",
		 &(struct sandbox_died_event){
			 .reason = death.host_oom ? SANDBOX_HOST_OOM : SANDBOX_MACHINE_DIED,
			 .process = death.process,
		 });
	if (death.host_oom)
		tell_all_oom(s);
}

/*
 * Most likely the VM has died, and then why is known in a moment: it comes before the exits. Without
 * its agent a VM that lives is of no use, and what ran in it will not be heard of again.
 */
static void agent_is_lost(struct task_service *s, const struct err *lost)
{
	struct err why = ERR_INIT, e = ERR_INIT;

	if (!s->sandbox || s->ended)
		return;
	if (sandbox_wait_dead(s->sandbox, deadline_in_ms(DEATH_MS), &why, &e) == 0) {
		note_death(s, &why);
		return;
	}
	if (e.code != ERR_TIMEOUT || s->ending)
		return;
	tell_end(s, lost, "has lost its agent",
		 &(struct sandbox_died_event){ .reason = SANDBOX_AGENT_LOST });
	service_end_sandbox(s);
}

static void wait_for_exit(void *arg)
{
	auto_process struct process *p = arg;
	struct container *c = p->container;
	struct timespec at;
	struct err e = ERR_INIT;
	struct agent *agent;
	int status;

	if (service_agent(c->service, &agent, &e) < 0 ||
	    agent_wait_process(agent, c->id, p->exec_id, &status, &e) < 0) {
		if (e.code == ERR_CANCELLED)
			return;
		at = process_now();
		status = e.code == ERR_UNAVAILABLE ? (int)EXIT_STATUS_KILLED
						   : (int)EXIT_STATUS_UNKNOWN;
		log_warn("wait for process '%s' of %s: %s", p->exec_id, c->id, e.text);
		if (e.code == ERR_UNAVAILABLE)
			agent_is_lost(c->service, &e);
		process_finish(p, (uint32_t)status, at);
		return;
	}
	at = process_now();
	process_finish(p, (uint32_t)status, at);
}

void watch_process(struct process *p)
{
	fiber_group_start(&p->container->service->fibers, "wait", wait_for_exit, process_ref(p));
}

static void watch_oom(void *arg)
{
	struct task_service *s = arg;
	struct agent *agent;
	struct err e = ERR_INIT;

	while (service_agent(s, &agent, &e) == 0) {
		auto_free char *id = NULL;
		struct container *c;

		if (agent_get_oom_event(agent, &id, &e) < 0)
			break;
		c = container_find(s, id);
		if (c) { /* else gone meanwhile, or the guest talks nonsense */
			c->oom_kills++;
			log_info("out of memory in %s", id);
			event_task_oom(s->publisher, id);
		}
		if (fiber_sleep_ms(OOM_PAUSE_MS, &e) < 0)
			break;
	}
	log_debug("no more OOM events: %s", e.text);
}

/* An init process that has not ended and is not being created any more; a pod's sandbox comes last. */
static struct process *next_alive(const struct task_service *s)
{
	struct process *sandbox = NULL;
	struct container *c, *next;

	HASH_ITER(hh, s->containers, c, next) {
		if (!(c->init->state & (PROCESS_ANY & ~PROCESS_STOPPED)))
			continue;
		if (!c->is_sandbox)
			return c->init;
		sandbox = c->init;
	}
	return sandbox;
}

/* Does a fiber wait for its end in the guest? */
static bool is_watched(const struct process *p)
{
	return p->state != PROCESS_CREATED && !p->container->is_sandbox;
}

/* The VM is dead, and so is everything in it. Those with a fiber that waits will say so themselves. */
static void end_all(struct task_service *s)
{
	struct deadline soon = deadline_in_ms(DEATH_MS);
	struct process *p;

	while ((p = next_alive(s))) {
		auto_process struct process *ref = process_ref(p);

		if (is_watched(ref) && wait_stopped(ref, soon))
			continue;
		end_execs(ref->container);
		if (!ref->attached)
			stdio_free(take_ptr(ref->io));
		process_set_exited(ref, EXIT_STATUS_KILLED, process_now());
	}
}

static void watch_death(void *arg)
{
	struct task_service *s = arg;
	struct err why = ERR_INIT, e = ERR_INIT;

	if (sandbox_wait_dead(s->sandbox, DEADLINE_NEVER, &why, &e) < 0)
		return;
	note_death(s, &why);
	agent_disconnect(sandbox_agent(s->sandbox));
	end_all(s);
	service_end_sandbox(s);
}

void watch_sandbox(struct task_service *s)
{
	fiber_group_start(&s->watchers, "death", watch_death, s);
	fiber_group_start(&s->watchers, "oom", watch_oom, s);
}

static struct container *first_in_guest(const struct task_service *s)
{
	struct container *c, *next;

	HASH_ITER(hh, s->containers, c, next)
		if (c->handle && !sandbox_container_is_out(c->handle))
			return c;
	return NULL;
}

static void end_sandbox(void *arg)
{
	struct task_service *s = arg;
	struct container *c = container_find(s, s->sandbox_id);
	struct deadline d;
	struct err e = ERR_INIT;

	if (c && !c->is_sandbox && c->init->state == PROCESS_STOPPED && vm_alive(s) &&
	    !s->agent_lost) {
		container_ref(c);
		if (c->init->attached)
			stdio_drain(c->init->io, deadline_in_ms(DRAIN_LAST_MS));
		/* Stats must answer until Delete: containerd asks them why a process got 137. */
		if (stats_refresh(c, sandbox_agent(s->sandbox), deadline_in_ms(STATS_MS), &e) < 0)
			log_debug("last figures of %s: %s", c->id, e.text);
		container_unref(c);
	}
	d = deadline_in_ms(s->agent_lost ? 0 : REMOVE_MS);
	/* Their poststop hooks are Delete's: one that hangs must not keep the machine. */
	while ((c = first_in_guest(s)))
		sandbox_take_out_container(c->handle, d);
	sandbox_stop(s->sandbox);
	fiber_group_wait(&s->watchers);
	log_info("sandbox %s ended", s->sandbox_id);
	s->ended = true;
	s->ending = false;
	cond_wake_all(&s->sandbox_changed);
}

void service_end_sandbox(struct task_service *s)
{
	if (!s->sandbox || s->ending || s->ended)
		return;
	s->ending = true;
	s->sandbox_ended_at = process_now();
	fiber_group_start(&s->fibers, "end", end_sandbox, s);
}

int service_wait_ended(struct task_service *s, struct deadline d, struct err *e)
{
	while (s->ending)
		if (cond_wait(&s->sandbox_changed, d, e) < 0)
			return err_wrap(e, "stop sandbox %s", s->sandbox_id);
	return 0;
}
