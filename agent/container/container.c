/* SPDX-License-Identifier: Apache-2.0 */
/* What is done to a container that exists; see container.h. create.c makes it. */
#include "agent/container/container.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <utlist.h>

#include "agent/container/create.h"
#include "agent/container/host_devices.h"
#include "agent/container/lifecycle_hooks.h"
#include "common/async/io.h"
#include "common/base/log.h"
#include "common/base/mem.h"

#define EXECS_MAX          1024u
#define REMOVE_ALL_WAIT_MS 30000
#define REMOVE_ALL_STEP_MS 20

struct container *container_find(const struct sandbox *sb, const char *id)
{
	struct container *c;

	HASH_FIND_STR(sb->containers, id, c);
	return c;
}

const char *container_state_name(enum container_state state)
{
	switch (state) {
	case CONTAINER_CREATING:
		return "being created";
	case CONTAINER_CREATED:
		return "created";
	case CONTAINER_RUNNING:
		return "running";
	case CONTAINER_PAUSED:
		return "paused";
	case CONTAINER_STOPPED:
		return "stopped";
	case CONTAINER_REMOVING:
		return "being removed";
	}
	return "unknown";
}

struct container *container_ref(struct container *c)
{
	c->refs++;
	return c;
}

void container_unref(struct container *c)
{
	if (--c->refs > 0)
		return;
	cgroup_free(c->cgroup);
	free(c->name);
	free(c->rootfs);
	free(c->spec);
	strv_free(c->storages);
	strv_free(c->pci_map);
	free(c);
}

struct process *container_find_process(const struct container *c, const char *exec_id)
{
	struct process *p;

	if (exec_id[0] == '\0' || strcmp(exec_id, c->id) == 0)
		return c->init;
	DL_FOREACH(c->processes, p)
		if (strcmp(p->exec_id, exec_id) == 0)
			return p;
	return NULL;
}

static void report_oom(struct container *c)
{
	struct err ignored = ERR_INIT;
	uint64_t kills;

	if (!c->cgroup || cgroup_oom_kills(c->cgroup, &kills, &ignored) < 0)
		return;
	if (kills > c->oom_kills) {
		log_info("container %s: out of memory, processes killed so far: %llu", c->id,
			 (unsigned long long)kills);
		sandbox_add_oom_event(c->sandbox, c->id);
	}
	c->oom_kills = kills;
}

void container_on_exit(struct process *p, void *arg)
{
	struct container *c = arg;
	struct err e = ERR_INIT;

	if (p->exec_id[0])
		return;
	/* Before the exit is known to anybody: a host asks for the reason when it learns of it. */
	report_oom(c);
	/* While it is being created it stays so: nobody else may remove it under who creates it. */
	if (c->state & CONTAINER_ALIVE)
		c->state = CONTAINER_STOPPED;
	/* With a pid namespace of its own the kernel has done that. */
	if (c->shares_pid_ns && container_kill(c, &e) < 0)
		log_warn("container %s: processes left by its init: %s", c->id, e.text);
}

void container_on_done(struct process *p, void *arg)
{
	struct container *c = arg;

	if (p == c->init)
		return; /* it stays: its exit code can be asked for until the container is removed */
	DL_DELETE(c->processes, p);
	process_unref(p);
}

static void watch_oom(void *arg)
{
	auto_container struct container *c = arg;
	struct err ignored = ERR_INIT;
	char events[4096];

	while (io_wait_readable(c->oom_watch, DEADLINE_NEVER, &ignored) == 0) {
		while (io_try_read(c->oom_watch, events, sizeof(events)) > 0)
			;
		report_oom(c);
	}
	io_free(take_ptr(c->oom_watch));
}

/* Where there is no memory controller nothing can run out of it by a limit of ours. */
static void start_oom_watch(struct container *c)
{
	struct err e = ERR_INIT;
	int fd;

	if (!c->cgroup || strcmp(c->id, c->sandbox->id) == 0)
		return;
	fd = cgroup_watch_fd(c->cgroup, &e);
	if (fd >= 0)
		c->oom_watch = io_consume(fd, &e);
	if (!c->oom_watch) {
		log_debug("container %s: no out-of-memory events: %s", c->id, e.text);
		return;
	}
	fiber_start("out-of-memory events", watch_oom, container_ref(c));
}

int container_start(struct container *c, struct deadline d, struct err *e)
{
	auto_container struct container *held = container_ref(c);
	auto_process struct process *init = process_ref(held->init);

	if (process_start(init, d, e) < 0)
		return err_wrap(e, "start container %s", c->id);
	c->started = true;
	if (c->state == CONTAINER_CREATED)
		c->state = CONTAINER_RUNNING;
	if (c->state & (CONTAINER_RUNNING | CONTAINER_PAUSED))
		start_oom_watch(c);
	hooks_run_poststart(c);
	return 0;
}

/* What it does not say of itself it has as the container's own process, as with runc. */
static void inherit(Grpc__Process *process, const Grpc__Process *init)
{
	if (!process->capabilities)
		process->capabilities = init->capabilities;
	if (!process->apparmorprofile[0])
		process->apparmorprofile = init->apparmorprofile;
	if (!process->selinuxlabel[0])
		process->selinuxlabel = init->selinuxlabel;
}

static int launch_exec(struct container *c, const char *exec_id, Grpc__Process *process,
		       struct deadline d, struct process **ret, struct err *e)
{
	Grpc__Spec *spec = grpc__spec__unpack(NULL, c->spec_len, c->spec);
	const Grpc__Process given = *process;
	struct process_params params = {
		.container_id = c->id,
		.exec_id = exec_id,
		.exec = true,
		.spec = spec,
		.process = process,
		.namespaces = c->ns,
		.n_namespaces = c->n_ns,
		.pidns_fd = &c->pid_ns,
		.rootfs = "",
		.run_dir = "",
		.cgroup_path = c->cgroup ? cgroup_path(c->cgroup) : "",
		.pipe_size = c->sandbox->options->pipe_size,
		.on_exit = container_on_exit,
		.on_done = container_on_done,
		.arg = c,
	};
	auto_close int cgroup = -1;

	if (!spec)
		return err_set(e, ERR_INTERNAL, "the stored specification cannot be read");
	inherit(process, spec->process);
	if (c->cgroup)
		params.cgroup_files = cgroup_files(c->cgroup);
	if (c->cgroup && !params.cgroup_files) {
		cgroup = cgroup_exec_fd(c->cgroup, e);
		params.cgroup_fd = &cgroup;
	}
	if (!params.cgroup_fd || cgroup >= 0)
		*ret = process_create(&params, d, e);
	*process = given; /* what was inherited goes with the specification */
	grpc__spec__free_unpacked(spec, NULL);
	return *ret ? 0 : -1;
}

static int check_runnable(const struct container *c, struct err *e)
{
	return c->state & (CONTAINER_CREATED | CONTAINER_RUNNING)
		       ? 0
		       : err_set(e, ERR_STATE, "the container is %s",
				 container_state_name(c->state));
}

static int check_exec(const struct container *c, const char *exec_id, const Grpc__Process *process,
		      struct err *e)
{
	const struct process *p;
	size_t n;

	/* In a frozen cgroup a stage does not come to its exec, for which every fiber would wait. */
	if (check_runnable(c, e) < 0)
		return -1;
	if (id_check("exec", exec_id, e) < 0)
		return -1;
	if (container_find_process(c, exec_id))
		return err_set(e, ERR_EXISTS, "exec %s exists already", exec_id);
	DL_COUNT(c->processes, p, n);
	if (n > EXECS_MAX)
		return err_set(e, ERR_EXHAUSTED, "more than %u processes were started in it",
			       EXECS_MAX);
	return process_check(process, e);
}

/* An exec whose exit was answered and whose output nobody finished reading makes way for its name. */
static void forget_answered(struct container *c, const char *exec_id)
{
	struct process *p = exec_id[0] ? container_find_process(c, exec_id) : NULL;

	if (!p || p == c->init || !p->answered)
		return;
	DL_DELETE(c->processes, p);
	process_release(p);
}

int container_exec(struct container *c, const char *exec_id, Grpc__Process *process,
		   struct deadline d, struct err *e)
{
	auto_container struct container *held = container_ref(c);
	struct process *p = NULL;
	struct err gone = ERR_INIT;

	forget_answered(held, exec_id);
	host_devices_map_environment(process, c->pci_map);
	if (check_exec(c, exec_id, process, e) < 0 ||
	    launch_exec(c, exec_id, process, d, &p, e) < 0)
		return err_wrap(e, "container %s: exec", c->id);

	/* Others may have been here while the stage worked. */
	if (check_runnable(c, &gone) == 0 && container_find_process(c, exec_id))
		err_set(&gone, ERR_EXISTS, "exec %s exists already", exec_id);
	if (gone.code != ERR_NONE) {
		process_release(p);
		*e = gone;
		return err_wrap(e, "container %s: exec", c->id);
	}
	DL_APPEND(c->processes, p);

	process_ref(p);
	if (process_start(p, d, e) < 0) {
		if (!p->released) {
			DL_DELETE(c->processes, p);
			process_release(p);
		}
		process_unref(p);
		return err_wrap(e, "container %s: exec", c->id);
	}
	process_unref(p);
	return 0;
}

int container_kill(struct container *c, struct err *e)
{
	struct process *p;

	if (c->cgroup)
		return cgroup_kill(c->cgroup, e);
	DL_FOREACH(c->processes, p)
		if (process_signal(p, SIGKILL, e) < 0)
			return -1;
	return 0;
}

static int need_cgroup(const struct container *c, struct err *e)
{
	return c->cgroup ? 0
			 : err_set(e, ERR_UNSUPPORTED,
				   "container %s has no cgroup: none are mounted here", c->id);
}

/*
 * What a container is that is not frozen; its init may have been started meanwhile:
 *
 *      CREATED ---- its init's exec ---> RUNNING
 *       ^   |                             ^   |
 *  Resume   Pause                    Resume   Pause, which may fail
 *       |   v                             |   v
 *      PAUSED  ---- its init's exec ---> PAUSED, started
 *
 * Each may be under way while others come and go: of several Pauses the last one counts.
 */
static void unfreeze(struct container *c, unsigned pause)
{
	if (c->state == CONTAINER_PAUSED && c->pauses == pause)
		c->state = c->started ? CONTAINER_RUNNING : CONTAINER_CREATED;
}

int container_pause(struct container *c, struct deadline d, struct err *e)
{
	auto_container struct container *held = container_ref(c);
	unsigned pause;

	if (need_cgroup(held, e) < 0)
		return -1;
	/* At once: an exec that came now would be frozen before it is one. */
	c->state = CONTAINER_PAUSED;
	pause = ++c->pauses;
	if (cgroup_freeze(c->cgroup, d, e) == 0)
		return 0;
	unfreeze(c, pause);
	return err_wrap(e, "pause container %s", c->id);
}

int container_resume(struct container *c, struct deadline d, struct err *e)
{
	auto_container struct container *held = container_ref(c);
	const unsigned pause = c->pauses;

	if (need_cgroup(held, e) < 0)
		return -1;
	if (cgroup_thaw(c->cgroup, d, e) < 0)
		return err_wrap(e, "resume container %s", c->id);
	unfreeze(c, pause);
	return 0;
}

int container_update(struct container *c, const Grpc__LinuxResources *resources, struct err *e)
{
	auto_free char *skipped = NULL;

	if (need_cgroup(c, e) < 0)
		return -1;
	if (cgroup_apply(c->cgroup, resources, &skipped, e) < 0)
		return err_wrap(e, "update container %s", c->id);
	if (skipped)
		log_info("container %s: not applied: %s", c->id, skipped);
	return 0;
}

void container_end_processes(void *arg)
{
	struct container *c = arg;
	struct err e = ERR_INIT;

	if (c->oom_watch)
		io_shutdown(c->oom_watch);
	if (container_kill(c, &e) < 0)
		log_warn("container %s: %s", c->id, e.text);
	while (c->processes) {
		struct process *p = c->processes;

		DL_DELETE(c->processes, p);
		process_release(p);
	}
	c->init = NULL;
}

void container_remove(struct container *c)
{
	auto_container struct container *held = container_ref(c);

	c->state = CONTAINER_REMOVING;
	undo_run(&held->teardown);
	held->removed = true;
	cond_wake_all(&held->removed_changed);
}

static void remove_now(void *arg)
{
	auto_container struct container *c = arg;

	container_remove(c);
}

int container_remove_until(struct container *c, struct deadline d, struct err *e)
{
	auto_container struct container *held = container_ref(c);

	c->state = CONTAINER_REMOVING; /* from now on for every other request */
	fiber_start("removal of a container", remove_now, container_ref(c));
	while (!held->removed)
		if (cond_wait(&held->removed_changed, d, e) < 0)
			return err_wrap(e, "container %s is still being removed", held->id);
	return 0;
}

void container_remove_all(struct sandbox *sb)
{
	struct deadline d = deadline_in_ms(REMOVE_ALL_WAIT_MS);
	struct err ignored = ERR_INIT;

	while (sb->containers && !deadline_passed(d)) {
		struct container *c;
		struct container *next;
		bool waits = true;

		HASH_ITER(hh, sb->containers, c, next) {
			if (!(c->state & CONTAINER_LIVE))
				continue; /* another fiber is at it and takes it out of the table */
			container_remove(c);
			waits = false;
			break;
		}
		if (waits && fiber_sleep_ms(REMOVE_ALL_STEP_MS, &ignored) < 0)
			return;
	}
}
