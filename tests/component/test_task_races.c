/* SPDX-License-Identifier: Apache-2.0 */
/* Calls of containerd that meet each other, or an end that nobody asked for. */
#include "tests/component/task_harness.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>

#include "common/base/fd.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "shim/agent/agent.h"

#define OWNER "sandbox"

static uint32_t status;

static void run_owner(void)
{
	assert_ok(task_create(OWNER), &harness.e);
	assert_ok(task_start(OWNER, ""), &harness.e);
}

static void end_owner(void)
{
	fake_exit(OWNER, "", 0);
	assert_ok(task_wait(OWNER, "", &status), &harness.e);
	assert_ok(task_delete(OWNER, "", &status), &harness.e);
}

static struct {
	int result;
	struct err e;
} exec;

static void start_exec(void *arg)
{
	(void)arg;
	exec.result = task_start(OWNER, "e1");
	exec.e = harness.e;
}

/* It is in the guest a moment later: a signal must not find it "finished" before that. */
static void killed_while_it_starts(void *arg)
{
	struct fiber_group starter = FIBER_GROUP_INIT;

	(void)arg;
	harness_open(false);
	run_owner();
	fake.exec_ms = 200;
	assert_ok(task_exec(OWNER, "e1", false), &harness.e);
	fiber_group_start(&starter, "start", start_exec, NULL);
	while (fake.streams_open < 2)
		fiber_yield();
	assert_ok(task_kill(OWNER, "e1", SIGKILL, false), &harness.e);
	fiber_group_wait(&starter);
	assert_ok(exec.result, &exec.e);
	assert_ok(task_wait(OWNER, "e1", &status), &harness.e);
	assert_int_equal(status, 137);
	assert_ok(task_delete(OWNER, "e1", &status), &harness.e);
	end_owner();
	harness_close();
}

/* Who reads its output sees an end although it never ran. */
static void container_ends_while_an_exec_starts(void *arg)
{
	struct fiber_group starter = FIBER_GROUP_INIT;

	(void)arg;
	harness_open(false);
	run_owner();
	fake.exec_held = true;
	assert_ok(task_exec(OWNER, "e1", false), &harness.e);
	fiber_group_start(&starter, "start", start_exec, NULL);
	while (fake.streams_open < 2)
		fiber_yield();
	fake_exit(OWNER, "", 0);
	assert_ok(task_wait(OWNER, "e1", &status), &harness.e);
	assert_int_equal(status, 137);
	fake_exec_goes_on();
	fiber_group_wait(&starter);
	assert_int_equal(exec.result, -1);
	/* Those of the init process, which were drained. */
	assert_int_equal(fake.streams_open, 1);
	assert_ok(task_delete(OWNER, "", &status), &harness.e);
	harness_close();
}

static void delete_soon(void *arg)
{
	Containerd__Task__V2__DeleteRequest req;
	struct err e = ERR_INIT;

	(void)arg;
	containerd__task__v2__delete_request__init(&req);
	req.id = message_text(OWNER);
	assert_err(rpc_call(harness.client, &containerd__task__v2__task__descriptor, "Delete",
			    "testing", &req, NULL, deadline_in_ms(200), &e),
		   &e, ERR_TIMEOUT, "");
	fake.stall = false;
}

#define GOES_ON_MS 5000 /* less than the limit of a Delete */

static int64_t second_ms; /* of the last second_delete_goes_on() */

/* A Delete that has to give up leaves the work to one that waits beside it. */
static void second_delete_goes_on(void *arg)
{
	struct fiber_group first = FIBER_GROUP_INIT;
	int64_t began;

	(void)arg;
	harness_open(false);
	run_owner();
	fake.stall = true; /* its sandbox does not end for a while */
	fake_exit(OWNER, "", 0);
	assert_ok(task_wait(OWNER, "", &status), &harness.e);
	fiber_group_start(&first, "delete", delete_soon, NULL);
	fiber_yield();
	began = clock_now_ms();
	assert_ok(task_delete(OWNER, "", &status), &harness.e);
	second_ms = clock_now_ms() - began;
	fiber_group_wait(&first);
	harness_close();
}

static void resume(void *arg)
{
	(void)arg;
	(void)!task_resume(OWNER);
}

static void resume_and_pause(void *arg)
{
	(void)arg;
	(void)!task_resume(OWNER);
	(void)!task_pause(OWNER);
}

static void pause_owner(void *arg)
{
	(void)arg;
	(void)!task_pause(OWNER);
}

static void pause_and_resume(void *arg)
{
	(void)arg;
	(void)!task_pause(OWNER);
	(void)!task_resume(OWNER);
}

#define LET_THEM_MS 300

/* The guest's answer to `first` comes last, if `others` do not wait for it. */
static void answered_late(void (*first)(void *arg), void (*others)(void *arg))
{
	struct fiber_group group = FIBER_GROUP_INIT;
	struct err e = ERR_INIT;
	bool before = fake.frozen;

	fake.freezes_held = 1;
	fiber_group_start(&group, "first", first, NULL);
	while (fake.frozen == before)
		fiber_yield();
	fiber_group_start(&group, "others", others, NULL);
	assert_ok(fiber_sleep_ms(LET_THEM_MS, &e), &e);
	fake_freezer_goes_on();
	fiber_group_wait(&group);
}

/* What the guest was asked last is what it is. */
static void pauses_that_meet_resumes(void *arg)
{
	(void)arg;
	harness_open(false);
	run_owner();
	answered_late(pause_owner, pause_and_resume);
	assert_false(fake.frozen);
	assert_int_equal(task_status(OWNER, ""), STATUS_RUNNING);
	assert_ok(task_pause(OWNER), &harness.e);
	answered_late(resume, resume_and_pause);
	assert_int_equal(task_status(OWNER, ""), STATUS_PAUSED);
	end_owner();
	harness_close();
}

static int pause_soon(struct err *e)
{
	Containerd__Task__V2__PauseRequest req;

	containerd__task__v2__pause_request__init(&req);
	req.id = message_text(OWNER);
	return rpc_call(harness.client, &containerd__task__v2__task__descriptor, "Pause", "testing",
			&req, NULL, deadline_in_ms(GIVES_UP_MS), e);
}

/* It may come true after its caller has given up, and nobody would resume what is said to run. */
static void pause_that_is_late(void *arg)
{
	struct deadline d = deadline_in_ms(PATIENCE_MS);
	struct err e = ERR_INIT;

	(void)arg;
	harness_open(false);
	run_owner();
	fake.freezes_held = 1;
	assert_err(pause_soon(&e), &e, ERR_TIMEOUT, "");
	while (fake.frozen && !deadline_passed(d))
		fiber_yield();
	assert_false(fake.frozen);
	assert_int_equal(task_status(OWNER, ""), STATUS_RUNNING);
	end_owner();
	harness_close();
}

/* The answer to a Resume was lost: the next one is told that nothing is paused. */
static void resume_of_what_runs(void *arg)
{
	(void)arg;
	harness_open(false);
	run_owner();
	assert_ok(task_pause(OWNER), &harness.e);
	fake.not_paused = true;
	assert_ok(task_resume(OWNER), &harness.e);
	assert_int_equal(task_status(OWNER, ""), STATUS_RUNNING);
	end_owner();
	harness_close();
}

/* How often it is out of memory the guest decides; the host's log and containerd are not its own. */
static void oom_flood(void *arg)
{
	struct err e = ERR_INIT;

	(void)arg;
	harness_open(false);
	log_set_level(LOG_LEVEL_ERROR);
	fake.oom_flood = true;
	run_owner();
	assert_ok(fiber_sleep_ms(500, &e), &e);
	assert_in_range(fake.oom_events, 1, 20);
	log_set_level(LOG_LEVEL_INFO);
	end_owner();
	harness_close();
}

static void configure(const char *more)
{
	auto_free char *text = xasprintf("[runtime]\nstate_dir = \"%s\"\n%s\n", harness.dir, more);
	auto_close int dir = open(harness.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_ok(file_replace(dir, "configuration.toml", text, strlen(text), &harness.e),
		  &harness.e);
}

/* The next sandbox has to wait for a Create in the one before, whose files are on a dead server. */
static void next_sandbox_gives_up(void *arg)
{
	(void)arg;
	harness_open(false);
	configure("create_container_timeout = 1");
	run_owner();
	fake.not_left = true;
	end_owner();
	assert_err(task_create(OWNER), &harness.e, ERR_TIMEOUT,
		   "the sandbox before has not ended: wait for who is in it");
	fake_leave();
	run_owner();
	end_owner();
	harness_close();
}

static void delete_hanging(void *arg)
{
	uint32_t ignored;

	(void)arg;
	(void)!task_delete("hangs", "", &ignored);
}

/* It is waited for by its own container's Delete, and by nothing else. */
static void poststop_hook_hangs(void *arg)
{
	struct fiber_group group = FIBER_GROUP_INIT;
	struct err e = ERR_INIT;

	(void)arg;
	harness_open(false);
	run_owner();
	assert_ok(task_create("hangs"), &harness.e);
	assert_ok(task_start("hangs", ""), &harness.e);
	assert_ok(task_create("other"), &harness.e);
	fake.hook_hangs = "hangs";
	fake_exit("hangs", "", 0);
	assert_ok(task_wait("hangs", "", &status), &harness.e);
	fiber_group_start(&group, "delete", delete_hanging, NULL);
	assert_ok(fiber_sleep_ms(LET_THEM_MS, &e), &e);
	assert_ok(task_delete("other", "", &status), &harness.e);
	fake_hook_ends();
	fiber_group_wait(&group);

	assert_ok(task_create("hangs"), &harness.e);
	fake.hook_hangs = "hangs";
	end_owner(); /* and so the machine */
	fiber_group_start(&group, "delete", delete_hanging, NULL);
	assert_ok(fiber_sleep_ms(LET_THEM_MS, &e), &e);
	assert_ok(task_shutdown(true), &harness.e);
	fake_hook_ends();
	fiber_group_wait(&group);
	harness_close();
}

/* enable_debug of [runtime]. */
static void configuration_asks_for_debug(void *arg)
{
	(void)arg;
	harness_open(false);
	configure("enable_debug = true");
	assert_int_equal(log_level(), LOG_LEVEL_INFO);
	run_owner();
	assert_int_equal(log_level(), LOG_LEVEL_DEBUG);
	log_set_level(LOG_LEVEL_INFO);
	end_owner();
	harness_close();
}

IN_FIBER(killed_while_it_starts)
IN_FIBER(container_ends_while_an_exec_starts)
static void test_second_delete_goes_on(void **state)
{
	(void)state;
	for (int i = 0; i < MEASUREMENTS && (i == 0 || second_ms >= GOES_ON_MS); i++)
		fiber_main(second_delete_goes_on, NULL);
	assert_in_range(second_ms, 0, GOES_ON_MS);
}

IN_FIBER(pauses_that_meet_resumes)
IN_FIBER(pause_that_is_late)
IN_FIBER(resume_of_what_runs)
IN_FIBER(next_sandbox_gives_up)
IN_FIBER(poststop_hook_hangs)
IN_FIBER(oom_flood)
IN_FIBER(configuration_asks_for_debug)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_killed_while_it_starts),
		cmocka_unit_test(test_container_ends_while_an_exec_starts),
		cmocka_unit_test(test_second_delete_goes_on),
		cmocka_unit_test(test_pauses_that_meet_resumes),
		cmocka_unit_test(test_pause_that_is_late),
		cmocka_unit_test(test_resume_of_what_runs),
		cmocka_unit_test(test_next_sandbox_gives_up),
		cmocka_unit_test(test_poststop_hook_hangs),
		cmocka_unit_test(test_oom_flood),
		cmocka_unit_test(test_configuration_asks_for_debug),
	};

	(void)alarm(600);
	return cmocka_run_group_tests_name("task races", tests, NULL, NULL);
}
