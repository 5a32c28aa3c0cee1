/* SPDX-License-Identifier: Apache-2.0 */
/* A sandbox, an agent and streams without a guest; see fake_guest.h. */
#include "tests/component/fake_guest.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utlist.h>

#include "common/base/mem.h"
#include "common/base/path.h"
#include "shim/agent/agent.h"
#include "shim/io/stdio.h"
#include "shim/sandbox/sandbox.h"

struct fake_guest fake;

struct fake_process {
	char id[80], exec_id[80];
	bool exited;
	int status;
	struct fake_process *next;
};

struct sandbox {
	char *dir;
	bool stopped, ended_by_stop;
};
struct sandbox_container {
	char id[80];
	bool out;
};
struct agent {
	bool disconnected;
};
struct stdio {
	bool attached;
};

static struct agent agent;
static struct fake_process *processes;
static struct cond changed; /* processes, fake.alive, oom */
static char *oom_id;

static void note(const char *what, const char *id, const char *exec_id)
{
	size_t len = strlen(fake.log);

	(void)snprintf(fake.log + len, sizeof(fake.log) - len, "%s %s%s%s;", what, id,
		       exec_id[0] ? " " : "", exec_id);
}

static int ask(const char *what, struct err *e)
{
	if (++fake.asked == fake.fail_at)
		return err_set(e, ERR_INTERNAL, "%s refused", what);
	fake.held++;
	return 0;
}

void fake_reset(void)
{
	struct fake_process *p, *next;

	assert(fake.held == 0);
	LL_FOREACH_SAFE(processes, p, next)
		free(p);
	processes = NULL;
	free(take_ptr(oom_id));
	memset(&fake, 0, sizeof(fake));
	agent = (struct agent){ .disconnected = false };
	changed = COND_INIT;
}

static struct fake_process *find(const char *id, const char *exec_id)
{
	struct fake_process *p;

	LL_FOREACH(processes, p)
		if (strcmp(p->id, id) == 0 && strcmp(p->exec_id, exec_id) == 0)
			return p;
	return NULL;
}

static void add(const char *id, const char *exec_id)
{
	struct fake_process *p = xnew(struct fake_process);

	(void)snprintf(p->id, sizeof(p->id), "%s", id);
	(void)snprintf(p->exec_id, sizeof(p->exec_id), "%s", exec_id);
	LL_PREPEND(processes, p);
}

void fake_exit(const char *id, const char *exec_id, int status)
{
	struct fake_process *p;

	LL_FOREACH(processes, p) {
		/* The kernel ends a pid namespace with its init. */
		if (strcmp(p->id, id) != 0 || p->exited ||
		    (exec_id[0] && strcmp(p->exec_id, exec_id) != 0))
			continue;
		p->exited = true;
		p->status = strcmp(p->exec_id, exec_id) == 0 ? status : 137;
	}
	cond_wake_all(&changed);
}

void fake_die(void)
{
	fake.alive = false;
	cond_wake_all(&changed);
}

void fake_oom(const char *id)
{
	assert(!oom_id);
	oom_id = xstrdup(id);
	cond_wake_all(&changed);
}

/* ---- sandbox ---- */

int sandbox_start(const struct sandbox_params *p, struct deadline d, struct sandbox **ret,
		  struct err *e)
{
	struct deadline booted = deadline_in_ms(fake.boot_ms);
	struct sandbox *s;

	fake.booting = true;
	if (fiber_sleep_until(deadline_min(d, booted), e) < 0)
		return -1;
	if (!deadline_passed(booted))
		return err_set(e, ERR_TIMEOUT, "no answer in time");
	if (ask("sandbox", e) < 0)
		return -1;
	s = xnew(struct sandbox);
	s->dir = xasprintf("%s/%s/%s", p->config->runtime.state_dir, p->ns, p->id);
	if (path_mkdirs(s->dir, 0700, e) < 0)
		abort();
	fake.alive = true;
	agent.disconnected = false;
	note("boot", p->id, "");
	*ret = s;
	return 0;
}

void sandbox_stop(struct sandbox *s)
{
	char path[512];

	if (s->stopped)
		return;
	s->stopped = true;
	s->ended_by_stop = fake.alive;
	note("stop", "", "");
	fake_die();
	fake.held--;
	(void)snprintf(path, sizeof(path), "%s/state.json", s->dir);
	(void)unlink(path);
	if (rmdir(s->dir) < 0)
		abort();
}

void fake_leave(void)
{
	fake.not_left = false;
	cond_wake_all(&changed);
}

int sandbox_wait_left(struct sandbox *s, struct deadline d, struct err *e)
{
	(void)s;
	while (fake.not_left)
		if (cond_wait(&changed, d, e) < 0)
			return err_wrap(e, "wait for who is in it");
	return 0;
}

void sandbox_free(struct sandbox *s)
{
	if (!s)
		return;
	sandbox_stop(s);
	while (fake.not_left)
		(void)cond_wait_uncancellable(&changed, DEADLINE_NEVER);
	free(s->dir);
	free(s);
}

int sandbox_wait_dead(struct sandbox *s, struct deadline d, struct err *why, struct err *e)
{
	while (fake.alive)
		if (cond_wait(&changed, d, e) < 0)
			return -1;
	err_set(why, s->ended_by_stop ? ERR_CANCELLED : ERR_UNAVAILABLE, "killed by the test");
	return 0;
}

struct sandbox_death sandbox_death(const struct sandbox *s)
{
	(void)s;
	return (struct sandbox_death){
		.process = { .name = "qemu", .pid = FAKE_VMM_PID, .exit_code = fake.exit_code },
		.host_oom = fake.host_oom,
	};
}

bool sandbox_alive(const struct sandbox *s)
{
	return fake.alive && !s->stopped;
}

pid_t sandbox_vmm_pid(const struct sandbox *s)
{
	(void)s;
	return FAKE_VMM_PID;
}

struct agent *sandbox_agent(struct sandbox *s)
{
	(void)s;
	return &agent;
}

int sandbox_update_network(struct sandbox *s, struct deadline d, struct err *e)
{
	(void)s;
	(void)d;
	(void)e;
	return 0;
}

int sandbox_create_container(struct sandbox *s, const struct container_params *p, struct deadline d,
			     struct sandbox_container **ret, struct err *e)
{
	struct sandbox_container *c;

	(void)s;
	(void)d;
	if (!fake.alive)
		return err_set(e, ERR_UNAVAILABLE, "the VM is gone");
	if (ask("container", e) < 0)
		return -1;
	c = xnew(struct sandbox_container);
	(void)snprintf(c->id, sizeof(c->id), "%s", p->id);
	add(p->id, "");
	note("create", p->id, "");
	*ret = c;
	return 0;
}

void sandbox_container_started(struct sandbox_container *c, struct deadline d)
{
	(void)c;
	(void)d;
}

void sandbox_take_out_container(struct sandbox_container *c, struct deadline d)
{
	(void)d;
	if (c->out)
		return;
	c->out = true;
	note("remove", c->id, "");
	fake_exit(c->id, "", 137);
}

bool sandbox_container_is_out(const struct sandbox_container *c)
{
	return c->out;
}

void fake_hook_ends(void)
{
	fake.hook_hangs = NULL;
	cond_wake_all(&changed);
}

void sandbox_remove_container(struct sandbox_container *c, struct deadline d)
{
	sandbox_take_out_container(c, d);
	while (fake.hook_hangs && strcmp(fake.hook_hangs, c->id) == 0)
		(void)cond_wait_uncancellable(&changed, DEADLINE_NEVER);
	sandbox_forget_container(c);
}

void sandbox_forget_container(struct sandbox_container *c)
{
	fake.held--;
	free(c);
}

/* ---- agent ---- */

static int answer(struct deadline d, struct err *e)
{
	fake.calls++;
	fake.call_ms = deadline_left_ms(d);
	while (fake.hang && fake.alive && !agent.disconnected)
		if (cond_wait(&changed, d, e) < 0)
			return -1;
	if (!fake.alive || agent.disconnected)
		return err_set(e, ERR_UNAVAILABLE, "the VM is gone");
	return 0;
}

void agent_disconnect(struct agent *a)
{
	a->disconnected = true;
	cond_wake_all(&changed);
}

void fake_lose_agent(void)
{
	agent_disconnect(&agent);
}

int agent_start_container(struct agent *a, const char *id, struct deadline d, struct err *e)
{
	(void)a;
	note("start", id, "");
	return answer(d, e);
}

void fake_exec_goes_on(void)
{
	fake.exec_held = false;
	cond_wake_all(&changed);
}

int agent_exec_process(struct agent *a, const char *id, const char *exec_id, Grpc__Process *process,
		       struct deadline d, struct err *e)
{
	(void)a;
	(void)process;
	if (answer(d, e) < 0)
		return -1;
	if (fake.exec_ms > 0 && fiber_sleep_ms(fake.exec_ms, e) < 0)
		return -1;
	while (fake.exec_held)
		if (cond_wait(&changed, DEADLINE_NEVER, e) < 0)
			return -1;
	if (fake.refuse_exec)
		return err_set(e, ERR_NOT_FOUND, "exec '%s': no such file", process->args[0]);
	add(id, exec_id);
	note("exec", id, exec_id);
	return 0;
}

int agent_signal_process(struct agent *a, const char *id, const char *exec_id, uint32_t signal,
			 struct deadline d, struct err *e)
{
	struct fake_process *p;

	(void)a;
	fake.last_signal = signal;
	(void)snprintf(fake.last_signal_exec, sizeof(fake.last_signal_exec), "%s", exec_id);
	if (answer(d, e) < 0)
		return -1;
	p = find(id, exec_id);
	if (!p || p->exited)
		return err_set(e, ERR_NOT_FOUND, "Process not found");
	if (signal == SIGKILL || signal == SIGTERM)
		fake_exit(id, exec_id, 128 + (int)signal);
	return 0;
}

int agent_wait_process(struct agent *a, const char *id, const char *exec_id, int *ret_status,
		       struct err *e)
{
	struct fake_process *p = find(id, exec_id);

	if (!p)
		return err_set(e, ERR_NOT_FOUND, "Process not found");
	while (!p->exited) {
		if (!fake.alive || a->disconnected)
			return err_set(e, ERR_UNAVAILABLE, "the VM is gone");
		if (cond_wait(&changed, DEADLINE_NEVER, e) < 0)
			return -1;
	}
	*ret_status = p->status;
	LL_DELETE(processes, p);
	free(p);
	return 0;
}

int agent_resize_tty(struct agent *a, const char *id, const char *exec_id, uint32_t rows,
		     uint32_t columns, struct deadline d, struct err *e)
{
	(void)a;
	note("resize", id, exec_id);
	fake.rows = rows;
	fake.columns = columns;
	return answer(d, e);
}

int sandbox_update_container(struct sandbox *s, const char *id, const struct oci_resources *limits,
			     struct deadline d, struct err *e)
{
	(void)s;
	(void)limits;
	note("update", id, "");
	return answer(d, e);
}

int agent_stats_container(struct agent *a, const char *id, Grpc__StatsContainerResponse **ret,
			  struct deadline d, struct err *e)
{
	Grpc__StatsContainerResponse *stats;

	(void)a;
	note("stats", id, "");
	if (answer(d, e) < 0)
		return -1;
	stats = xnew(Grpc__StatsContainerResponse);
	grpc__stats_container_response__init(stats);
	stats->cgroup_stats = xnew(Grpc__CgroupStats);
	grpc__cgroup_stats__init(stats->cgroup_stats);
	stats->cgroup_stats->pids_stats = xnew(Grpc__PidsStats);
	grpc__pids_stats__init(stats->cgroup_stats->pids_stats);
	stats->cgroup_stats->pids_stats->current = 7;
	*ret = stats;
	return 0;
}

static unsigned freezer_went_on;

void fake_freezer_goes_on(void)
{
	freezer_went_on++;
	cond_wake_all(&changed);
}

static int answer_freezer(struct deadline d, struct err *e)
{
	unsigned before = freezer_went_on;
	bool held = fake.freezes_held > 0 && fake.freezes_held-- > 0;

	while (held && freezer_went_on == before)
		if (cond_wait(&changed, d, e) < 0)
			return -1;
	return answer(d, e);
}

int agent_pause_container(struct agent *a, const char *id, struct deadline d, struct err *e)
{
	(void)a;
	note("pause", id, "");
	fake.frozen = true;
	return answer_freezer(d, e);
}

int agent_resume_container(struct agent *a, const char *id, struct deadline d, struct err *e)
{
	(void)a;
	note("resume", id, "");
	if (fake.not_paused)
		return err_set(e, ERR_STATE, "it is running");
	fake.frozen = false;
	return answer_freezer(d, e);
}

int agent_get_oom_event(struct agent *a, char **ret_id, struct err *e)
{
	while (fake.oom_flood || !oom_id) {
		if (!fake.alive || a->disconnected)
			return err_set(e, ERR_UNAVAILABLE, "the VM is gone");
		if (fake.oom_flood)
			break;
		if (cond_wait(&changed, DEADLINE_NEVER, e) < 0)
			return -1;
	}
	fiber_yield();
	fake.oom_events++;
	*ret_id = fake.oom_flood ? xstrdup("sandbox") : take_ptr(oom_id);
	return 0;
}

/* ---- streams ---- */

int stdio_open(const struct stdio_params *p, struct deadline d, struct stdio **ret, struct err *e)
{
	(void)d;
	if (strcmp(p->stdout_uri, "/missing") == 0)
		return err_set(e, ERR_NOT_FOUND, "open '/missing'");
	if (ask("streams", e) < 0)
		return -1;
	fake.streams_open++;
	*ret = xnew(struct stdio);
	return 0;
}

void stdio_attach(struct stdio *s, struct agent *a)
{
	(void)a;
	s->attached = true;
}

void stdio_close_stdin(struct stdio *s)
{
	assert(s->attached);
	fake.closed_stdin++;
}

void stdio_drain(struct stdio *s, struct deadline d)
{
	struct err e = ERR_INIT;

	assert(s->attached);
	if (fake.drain_ms == 0)
		fake.drain_ms = deadline_left_ms(d);
	while (fake.stall && !deadline_passed(d))
		if (fiber_sleep_ms(10, &e) < 0)
			return;
	fake.drained++;
}

void stdio_free(struct stdio *s)
{
	if (!s)
		return;
	fake.streams_open--;
	fake.held--;
	free(s);
}
