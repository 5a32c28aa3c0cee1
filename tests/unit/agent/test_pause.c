/* SPDX-License-Identifier: Apache-2.0 */
/* Pauses, Resumes, Starts and execs of one container that meet each other. */
#include "tests/lib/test.h"

#include <fcntl.h>
#include <stdlib.h>

#include "agent/container/container.h"
#include "common/base/mem.h"

/* The kernel takes its time with the next `held` changes, each until go_on(). */
static struct {
	unsigned held, waiting, went_on;
	bool refuse;
	bool frozen; /* as it was asked last */
	struct cond changed;
	unsigned spawned;
} kernel;

static struct container c;

static int change(bool freeze, struct err *e)
{
	unsigned before = kernel.went_on;
	bool refuse = kernel.refuse;

	kernel.frozen = freeze;
	if (kernel.held > 0) {
		kernel.held--;
		kernel.waiting++;
		while (kernel.went_on == before)
			if (cond_wait(&kernel.changed, DEADLINE_NEVER, e) < 0)
				return -1;
	}
	return refuse ? err_set(e, ERR_TIMEOUT, "not in time") : 0;
}

int __wrap_cgroup_freeze(struct cgroup *cg, struct deadline d, struct err *e);
int __wrap_cgroup_freeze(struct cgroup *cg, struct deadline d, struct err *e)
{
	(void)cg;
	(void)d;
	return change(true, e);
}

int __wrap_cgroup_thaw(struct cgroup *cg, struct deadline d, struct err *e);
int __wrap_cgroup_thaw(struct cgroup *cg, struct deadline d, struct err *e)
{
	(void)cg;
	(void)d;
	return change(false, e);
}

/* As that of a process whose exec the kernel delays. */
int __wrap_process_start(struct process *p, struct deadline d, struct err *e);
int __wrap_process_start(struct process *p, struct deadline d, struct err *e)
{
	(void)p;
	(void)d;
	return change(kernel.frozen, e);
}

struct process *__wrap_process_create(const struct process_params *p, struct deadline d,
				      struct err *e);
struct process *__wrap_process_create(const struct process_params *p, struct deadline d,
				      struct err *e)
{
	(void)p;
	(void)d;
	kernel.spawned++;
	err_set(e, ERR_INTERNAL, "no process here");
	return NULL;
}

const char *__wrap_cgroup_path(const struct cgroup *cg);
const char *__wrap_cgroup_path(const struct cgroup *cg)
{
	(void)cg;
	return "";
}

char *const *__wrap_cgroup_files(const struct cgroup *cg);
char *const *__wrap_cgroup_files(const struct cgroup *cg)
{
	(void)cg;
	return NULL;
}

int __wrap_cgroup_exec_fd(const struct cgroup *cg, struct err *e);
int __wrap_cgroup_exec_fd(const struct cgroup *cg, struct err *e)
{
	(void)cg;
	(void)e;
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* It waits, and that lets a Pause in. */
void __wrap_process_release(struct process *p);
void __wrap_process_release(struct process *p)
{
	struct err e = ERR_INIT;

	(void)p;
	if (container_pause(&c, DEADLINE_NEVER, &e) < 0)
		abort();
}

static void go_on(void)
{
	kernel.went_on++;
	cond_wake_all(&kernel.changed);
}

struct request {
	int (*call)(struct container *c, struct deadline d, struct err *e);
	int result;
	struct err e;
};

static void run(void *arg)
{
	struct request *r = arg;

	r->result = r->call(&c, deadline_in_ms(PATIENCE_MS), &r->e);
}

/* It is under way when this returns: the kernel holds it up. */
static void begin(struct fiber_group *g, struct request *r)
{
	unsigned before = kernel.waiting;

	kernel.held = 1;
	fiber_group_start(g, "request", run, r);
	while (kernel.waiting == before)
		fiber_yield();
}

static int set_up(void **state)
{
	static struct process init;
	static struct sandbox sandbox;
	static struct agent_options options;
	static char cgroup, id[] = "c1";
	static uint8_t spec[64];
	Grpc__Process process;
	Grpc__Spec given;

	(void)state;
	memset(&kernel, 0, sizeof(kernel));
	memset(&c, 0, sizeof(c));
	init = (struct process){ .refs = 1 };
	c.sandbox = &sandbox;
	c.refs = 1;
	c.init = &init;
	c.state = CONTAINER_CREATED;
	c.cgroup = (void *)&cgroup; /* everything that looks at it is ours */
	grpc__process__init(&process);
	grpc__spec__init(&given);
	given.process = &process;
	c.spec_len = grpc__spec__get_packed_size(&given);
	c.spec = spec;
	if (c.spec_len > sizeof(spec))
		return -1;
	(void)grpc__spec__pack(&given, spec);
	memcpy(c.id, id, sizeof(id));
	sandbox.id = id; /* the container's: no watch for out-of-memory events */
	sandbox.options = &options;
	return 0;
}

static int start(void)
{
	struct err e = ERR_INIT;

	return container_start(&c, DEADLINE_NEVER, &e);
}

/* Its exec has happened when the Pause comes, and nobody has noticed yet. */
static void pause_during_start(void *arg)
{
	struct request begun = { .call = container_start };
	struct fiber_group group = FIBER_GROUP_INIT;
	struct err e = ERR_INIT;

	(void)arg;
	begin(&group, &begun);
	assert_ok(container_pause(&c, DEADLINE_NEVER, &e), &e);
	go_on();
	fiber_group_wait(&group);
	assert_int_equal(begun.result, 0);
	assert_int_equal(c.state, CONTAINER_PAUSED);
	assert_ok(container_resume(&c, DEADLINE_NEVER, &e), &e);
	assert_int_equal(c.state, CONTAINER_RUNNING);
}

/* The other way round: it is frozen before its exec, and resumed. */
static void resume_during_start(void *arg)
{
	struct request begun = { .call = container_start };
	struct fiber_group group = FIBER_GROUP_INIT;
	struct err e = ERR_INIT;

	(void)arg;
	begin(&group, &begun);
	assert_ok(container_pause(&c, DEADLINE_NEVER, &e), &e);
	assert_ok(container_resume(&c, DEADLINE_NEVER, &e), &e);
	assert_int_equal(c.state, CONTAINER_CREATED);
	go_on();
	fiber_group_wait(&group);
	assert_int_equal(c.state, CONTAINER_RUNNING);
}

/* The first Pause fails when the second has begun. */
static void two_pauses_around_a_resume(void *arg)
{
	struct request first = { .call = container_pause };
	struct fiber_group group = FIBER_GROUP_INIT;
	struct err e = ERR_INIT;

	(void)arg;
	assert_int_equal(start(), 0);
	kernel.refuse = true;
	begin(&group, &first);
	kernel.refuse = false;
	assert_ok(container_resume(&c, DEADLINE_NEVER, &e), &e);
	assert_ok(container_pause(&c, DEADLINE_NEVER, &e), &e);
	go_on();
	fiber_group_wait(&group);
	assert_int_equal(first.result, -1);
	assert_true(kernel.frozen);
	assert_int_equal(c.state, CONTAINER_PAUSED);
}

/* The first Resume is answered when what came behind it has been done. */
static void two_resumes_around_a_pause(void *arg)
{
	struct request first = { .call = container_resume };
	struct fiber_group group = FIBER_GROUP_INIT;
	struct err e = ERR_INIT;

	(void)arg;
	assert_int_equal(start(), 0);
	assert_ok(container_pause(&c, DEADLINE_NEVER, &e), &e);
	begin(&group, &first);
	assert_ok(container_resume(&c, DEADLINE_NEVER, &e), &e);
	assert_ok(container_pause(&c, DEADLINE_NEVER, &e), &e);
	go_on();
	fiber_group_wait(&group);
	assert_true(kernel.frozen);
	assert_int_equal(c.state, CONTAINER_PAUSED);
}

static void pause_fails(void *arg)
{
	struct err e = ERR_INIT;

	(void)arg;
	kernel.refuse = true;
	assert_err(container_pause(&c, DEADLINE_NEVER, &e), &e, ERR_TIMEOUT, "pause container c1");
	assert_int_equal(c.state, CONTAINER_CREATED);
	kernel.refuse = false;
	assert_int_equal(start(), 0);
	kernel.refuse = true;
	assert_err(container_pause(&c, DEADLINE_NEVER, &e), &e, ERR_TIMEOUT, "not in time");
	assert_int_equal(c.state, CONTAINER_RUNNING);
}

/* A stage in a frozen cgroup does not come to its exec, for which the whole agent waits. */
static void exec_in_a_pause(void *arg)
{
	static struct process old = { .refs = 1, .exec_id = "e1", .answered = true };
	Grpc__Process process;
	char args[] = "sh", cwd[] = "/";
	char *argv[] = { args };
	Grpc__User user;
	struct err e = ERR_INIT;

	(void)arg;
	assert_int_equal(start(), 0);
	grpc__process__init(&process);
	grpc__user__init(&user);
	process.n_args = 1;
	process.args = argv;
	process.cwd = cwd;
	process.user = &user;
	old.prev = &old;
	c.processes = &old;
	assert_err(container_exec(&c, "e1", &process, DEADLINE_NEVER, &e), &e, ERR_STATE,
		   "the container is paused");
	assert_int_equal(kernel.spawned, 0);
}

IN_FIBER(pause_during_start)
IN_FIBER(resume_during_start)
IN_FIBER(two_pauses_around_a_resume)
IN_FIBER(two_resumes_around_a_pause)
IN_FIBER(pause_fails)
IN_FIBER(exec_in_a_pause)

#define CASE(fn) cmocka_unit_test_setup(fn, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_pause_during_start),
		CASE(test_resume_during_start),
		CASE(test_two_pauses_around_a_resume),
		CASE(test_two_resumes_around_a_pause),
		CASE(test_pause_fails),
		CASE(test_exec_in_a_pause),
	};

	return cmocka_run_group_tests_name("pause", tests, NULL, NULL);
}
