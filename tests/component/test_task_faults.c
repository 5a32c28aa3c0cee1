/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tasks when things go wrong: each acquisition of Create refused in turn, a Create that its caller
 * gives up, the VM's death in every state, an agent that hangs, calls that meet each other.
 */
#include "tests/component/task_harness.h"

#include <signal.h>

#include "common/base/mem.h"
#include "shim/agent/agent.h"

#define OWNER "sandbox"

static uint32_t status;

static void run_owner(void)
{
	assert_ok(task_create(OWNER), &harness.e);
	assert_ok(task_start(OWNER, ""), &harness.e);
}

/* The first thing fails, then the second, … until a Create gets through. Nothing ever stays. */
static void create_fails_everywhere(void *arg)
{
	int n;

	(void)arg;
	for (n = 1;; n++) {
		bool made;

		harness_open(false);
		fake.fail_at = n;
		made = task_create(OWNER) == 0;
		if (!made) {
			assert_int_equal(harness.e.code, ERR_INTERNAL);
			assert_non_null(strstr(harness.e.text, "create task 'sandbox'"));
			assert_null(strchr(harness.e.text, '\n'));
			assert_int_equal(fake.streams_open, 0);
			/* What containerd does next, and the server must survive until then. */
			assert_err(task_delete(OWNER, "", &status), &harness.e, ERR_NOT_FOUND, "");
			assert_ok(task_shutdown(false), &harness.e);
			assert_ok(task_service_wait_shutdown(harness.service,
							     deadline_in_ms(PATIENCE_MS),
							     &harness.e),
				  &harness.e);
			harness_expect_events("");
			/* The same id can be made again. */
			fake.fail_at = 0;
			assert_ok(task_create(OWNER), &harness.e);
		}
		assert_ok(task_delete(OWNER, "", &status), &harness.e);
		assert_int_equal(fake.held, 0);
		harness_close();
		if (made)
			break;
	}
	assert_true(n > 3); /* or the fake never refused anything */
}

static void bad_requests(void *arg)
{
	Containerd__Task__V2__CreateTaskRequest req;
	char bundle[128];

	(void)arg;
	harness_open(false);
	harness_bundle(OWNER, bundle);
	containerd__task__v2__create_task_request__init(&req);
	req.id = message_text(OWNER);
	req.bundle = message_text("relative");
	assert_err(task_create_with(&req), &harness.e, ERR_INVALID, "absolute");
	req.bundle = message_text("/no/such/bundle");
	assert_err(task_create_with(&req), &harness.e, ERR_NOT_FOUND, "/no/such/bundle");
	req.bundle = bundle;
	/* Trap 31: never "not implemented", which containerd takes for "try version 2". */
	req.checkpoint = message_text("/cp");
	assert_err(task_create_with(&req), &harness.e, ERR_INVALID, "checkpoint");
	req.checkpoint = message_text("");
	req.stdout = message_text("/missing");
	assert_err(task_create_with(&req), &harness.e, ERR_NOT_FOUND, "/missing");
	harness_close();
}

static int create_result;
static struct err create_error;

static void creator(void *arg)
{
	(void)arg;
	create_result = task_create(OWNER);
	create_error = harness.e;
}

static void delete_during_create(void *arg)
{
	struct fiber_group creators = FIBER_GROUP_INIT;

	(void)arg;
	harness_open(false);
	fake.boot_ms = PATIENCE_MS;
	fiber_group_start(&creators, "creator", creator, NULL);
	while (!fake.booting)
		fiber_yield();
	assert_err(task_delete(OWNER, "", &status), &harness.e, ERR_NOT_FOUND, OWNER);
	fiber_group_wait(&creators);
	assert_int_equal(create_result, -1);
	assert_int_equal(create_error.code, ERR_CANCELLED);
	assert_ok(task_shutdown(false), &harness.e);
	assert_ok(task_service_wait_shutdown(harness.service, deadline_in_ms(PATIENCE_MS),
					     &harness.e),
		  &harness.e);
	harness_close();
}

/* The Delete was lost: Shutdown alone ends the Create, and the shim. */
static void shutdown_during_create(void *arg)
{
	struct fiber_group creators = FIBER_GROUP_INIT;

	(void)arg;
	harness_open(false);
	fake.boot_ms = PATIENCE_MS;
	fiber_group_start(&creators, "creator", creator, NULL);
	while (!fake.booting)
		fiber_yield();
	assert_ok(task_shutdown(false), &harness.e);
	assert_ok(task_service_wait_shutdown(harness.service, deadline_in_ms(PATIENCE_MS),
					     &harness.e),
		  &harness.e);
	fiber_group_wait(&creators);
	assert_int_equal(create_result, -1);
	harness_close();
}

static void vm_dies(void *arg)
{
	int64_t began;

	(void)arg;
	harness_open(false);
	run_owner();
	assert_ok(task_exec(OWNER, "e1", false), &harness.e);
	assert_ok(task_start(OWNER, "e1"), &harness.e);
	assert_ok(task_create("c2"), &harness.e); /* created, and never started */
	fake.stall = true;
	began = clock_now_ms();
	fake_die();
	assert_ok(task_wait(OWNER, "", &status), &harness.e);
	assert_int_equal(status, 137);
	assert_ok(task_wait(OWNER, "e1", &status), &harness.e);
	assert_int_equal(status, 137);
	assert_ok(task_wait("c2", "", &status), &harness.e);
	assert_int_equal(status, 137);
	assert_int_equal(publisher_flush(harness.publisher, deadline_in_ms(PATIENCE_MS)), 0);
	/* All of it is to take a second: what it waits for itself leaves most of that to the machine. */
	assert_in_range(fake.drain_ms, 1, 300);
	assert_true(clock_now_ms() - began < AT_ONCE_MS);
	assert_non_null(strstr(harness.events, "exit sandbox sandbox 137;"));
	assert_non_null(strstr(harness.events, "exit c2 c2 137;"));
	assert_err(task_kill(OWNER, "", SIGKILL, true), &harness.e, ERR_NOT_FOUND, "finished");
	assert_ok(task_delete(OWNER, "", &status), &harness.e);
	assert_ok(task_delete("c2", "", &status), &harness.e);
	assert_int_equal(fake.held, 0);
	harness_close();
}

static void vm_dies_while_paused(void *arg)
{
	(void)arg;
	harness_open(false);
	run_owner();
	assert_ok(task_pause(OWNER), &harness.e);
	fake_die();
	assert_ok(task_wait(OWNER, "", &status), &harness.e);
	assert_int_equal(status, 137);
	assert_ok(task_delete(OWNER, "", &status), &harness.e);
	harness_close();
}

static void starter(void *arg)
{
	(void)arg;
	create_result = task_start(OWNER, "");
	create_error = harness.e;
}

static void vm_dies_in_start(void *arg)
{
	struct fiber_group starters = FIBER_GROUP_INIT;

	(void)arg;
	harness_open(false);
	assert_ok(task_create(OWNER), &harness.e);
	fake.hang = true;
	fiber_group_start(&starters, "starter", starter, NULL);
	while (!strstr(fake.log, "start"))
		fiber_yield();
	fake_die();
	fiber_group_wait(&starters);
	assert_int_equal(create_result, -1);
	assert_ok(task_wait(OWNER, "", &status), &harness.e);
	assert_ok(task_delete(OWNER, "", &status), &harness.e);
	assert_null(strstr(harness.events, "start"));
	harness_close();
}

/* Trap 19: an agent that hangs holds up neither State nor, for longer than a second, Stats. */
static void agent_hangs(void *arg)
{
	uint64_t pids = 0;
	int calls;

	(void)arg;
	harness_open(false);
	run_owner();
	assert_ok(task_stats(OWNER, &pids), &harness.e);
	fake.hang = true;
	calls = fake.calls;
	assert_int_equal(task_status(OWNER, ""), STATUS_RUNNING);
	assert_int_equal(fake.calls, calls); /* the agent is not asked */
	pids = 0;
	assert_ok(task_stats(OWNER, &pids), &harness.e);
	assert_int_equal(pids, 7); /* the last ones */
	assert_int_equal(fake.calls, calls + 1);
	assert_in_range(fake.call_ms, 1, 1000);
	/* SIGKILL gets rid of it in the end. */
	assert_ok(task_kill(OWNER, "", SIGKILL, true), &harness.e);
	assert_ok(task_wait(OWNER, "", &status), &harness.e);
	assert_int_equal(status, 137);
	assert_ok(task_delete(OWNER, "", &status), &harness.e);
	harness_close();
}

static int deleted;

static void deleter(void *arg)
{
	uint32_t got;

	(void)arg;
	if (task_delete(OWNER, "", &got) == 0) {
		assert_int_equal(got, 4);
		deleted++;
	}
}

/* A Delete that comes while another is at work gets the same answer, or finds nothing. */
static void deletes_meet(void *arg)
{
	struct fiber_group deleters = FIBER_GROUP_INIT;

	(void)arg;
	harness_open(false);
	run_owner();
	fake_exit(OWNER, "", 4);
	assert_ok(task_wait(OWNER, "", &status), &harness.e);
	deleted = 0;
	for (int i = 0; i < 5; i++)
		fiber_group_start(&deleters, "deleter", deleter, NULL);
	fiber_group_wait(&deleters);
	assert_true(deleted >= 1);
	assert_int_equal(publisher_flush(harness.publisher, deadline_in_ms(PATIENCE_MS)), 0);
	assert_null(strstr(strstr(harness.events, "delete sandbox;") + 1, "delete sandbox;"));
	harness_close();
}

static void kill_loop(void *arg)
{
	(void)arg;
	for (int i = 0; i < 50; i++)
		if (task_kill(OWNER, "", SIGKILL, true) < 0)
			assert_int_equal(harness.e.code == ERR_NOT_FOUND ||
						 harness.e.code == ERR_UNAVAILABLE,
					 1);
}

static void kills_meet_delete(void *arg)
{
	struct fiber_group killers = FIBER_GROUP_INIT;

	(void)arg;
	harness_open(false);
	run_owner();
	for (int i = 0; i < 5; i++)
		fiber_group_start(&killers, "killer", kill_loop, NULL);
	assert_ok(task_wait(OWNER, "", &status), &harness.e);
	assert_int_equal(status, 137);
	assert_ok(task_delete(OWNER, "", &status), &harness.e);
	fiber_group_wait(&killers);
	harness_close();
}

IN_FIBER(create_fails_everywhere)
IN_FIBER(bad_requests)
IN_FIBER(delete_during_create)
IN_FIBER(shutdown_during_create)
IN_FIBER(vm_dies)
IN_FIBER(vm_dies_while_paused)
IN_FIBER(vm_dies_in_start)
IN_FIBER(agent_hangs)
IN_FIBER(deletes_meet)
IN_FIBER(kills_meet_delete)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_create_fails_everywhere),
		cmocka_unit_test(test_bad_requests),
		cmocka_unit_test(test_delete_during_create),
		cmocka_unit_test(test_shutdown_during_create),
		cmocka_unit_test(test_vm_dies),
		cmocka_unit_test(test_vm_dies_while_paused),
		cmocka_unit_test(test_vm_dies_in_start),
		cmocka_unit_test(test_agent_hangs),
		cmocka_unit_test(test_deletes_meet),
		cmocka_unit_test(test_kills_meet_delete),
	};

	return cmocka_run_group_tests_name("task faults", tests, NULL, NULL);
}
