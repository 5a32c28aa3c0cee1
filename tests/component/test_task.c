/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lives of tasks as containerd leads them: the order of calls and events, what each call says in each
 * state, and the traps of containerd-shim.md 7 that a task service can fall into.
 */
#include "tests/component/task_harness.h"

#include <signal.h>
#include <stdlib.h>

#include "common/base/mem.h"
#include "shim/agent/agent.h"

/* The owner of the sandbox: its id is the one the harness gave the service. */
#define OWNER "sandbox"

static uint32_t status;

static void run_owner(void)
{
	assert_ok(task_create(OWNER), &harness.e);
	assert_ok(task_start(OWNER, ""), &harness.e);
}

static void end_owner(int code)
{
	fake_exit(OWNER, "", code);
	assert_ok(task_wait(OWNER, "", &status), &harness.e);
	assert_int_equal(status, code);
	assert_int_equal(task_status(OWNER, ""), STATUS_STOPPED);
	assert_ok(task_delete(OWNER, "", &status), &harness.e);
	assert_int_equal(status, code);
}

static void whole_life(void *arg)
{
	uint64_t pids;

	(void)arg;
	harness_open(false);
	assert_ok(task_create(OWNER), &harness.e);
	assert_int_equal(task_status(OWNER, ""), STATUS_CREATED);
	assert_ok(task_start(OWNER, ""), &harness.e);
	assert_int_equal(task_status(OWNER, ""), STATUS_RUNNING);
	assert_ok(task_stats(OWNER, &pids), &harness.e);
	assert_int_equal(pids, 7);

	/* Busy: answered, and nothing happens (trap 6). */
	assert_ok(task_shutdown(false), &harness.e);
	assert_err(task_service_wait_shutdown(harness.service, deadline_in_ms(20), &harness.e),
		   &harness.e, ERR_TIMEOUT, "");

	fake_exit(OWNER, "", 3);
	assert_ok(task_wait(OWNER, "", &status), &harness.e);
	assert_int_equal(status, 3);
	assert_int_equal(task_status(OWNER, ""), STATUS_STOPPED);
	assert_int_equal(fake.drained > 0, 1);
	/* The figures outlive the container, and the sandbox. */
	assert_ok(task_stats(OWNER, &pids), &harness.e);
	assert_err(task_kill(OWNER, "", SIGKILL, true), &harness.e, ERR_NOT_FOUND,
		   "already finished");
	assert_ok(task_delete(OWNER, "", &status), &harness.e);
	assert_int_equal(status, 3);
	assert_err(task_delete(OWNER, "", &status), &harness.e, ERR_NOT_FOUND, OWNER);
	assert_err(task_wait(OWNER, "", &status), &harness.e, ERR_NOT_FOUND, OWNER);
	assert_false(fake.alive);

	assert_ok(task_shutdown(false), &harness.e);
	assert_ok(task_service_wait_shutdown(harness.service, deadline_in_ms(PATIENCE_MS),
					     &harness.e),
		  &harness.e);
	harness_expect_events("create sandbox;start sandbox;exit sandbox sandbox 3;"
			      "delete sandbox;");
	harness_close();
}

static void wrong_moments(void *arg)
{
	uint64_t pids;

	(void)arg;
	harness_open(false);
	assert_err(task_start("no", ""), &harness.e, ERR_NOT_FOUND, "no");
	assert_err(task_kill("no", "", SIGKILL, false), &harness.e, ERR_NOT_FOUND, "no");
	assert_err(task_stats("no", &pids), &harness.e, ERR_NOT_FOUND, "no");
	assert_err(task_create("not valid"), &harness.e, ERR_INVALID, "valid identifier");

	run_owner();
	assert_err(task_create(OWNER), &harness.e, ERR_EXISTS, OWNER);
	assert_err(task_start(OWNER, ""), &harness.e, ERR_STATE, "running");
	assert_err(task_delete(OWNER, "", &status), &harness.e, ERR_STATE, "running");
	assert_err(task_resume(OWNER), &harness.e, ERR_STATE, "running");
	assert_err(task_kill(OWNER, "", 999, false), &harness.e, ERR_INVALID, "999");
	assert_err(task_start(OWNER, "e1"), &harness.e, ERR_NOT_FOUND, "e1");
	assert_err(task_exec(OWNER, "not valid", false), &harness.e, ERR_INVALID, "identifier");
	end_owner(0);
	harness_close();
}

static void execs(void *arg)
{
	(void)arg;
	harness_open(false);
	run_owner();
	assert_ok(task_exec(OWNER, "e1", true), &harness.e);
	assert_err(task_exec(OWNER, "e1", true), &harness.e, ERR_EXISTS, "e1");
	assert_int_equal(task_status(OWNER, "e1"), STATUS_CREATED);
	/* Both may come before Start, and are kept. */
	assert_ok(task_resize(OWNER, "e1", 80, 25), &harness.e);
	assert_ok(task_close_io(OWNER, "e1"), &harness.e);
	assert_int_equal(fake.closed_stdin, 0);
	assert_ok(task_start(OWNER, "e1"), &harness.e);
	assert_int_equal(fake.rows, 25);
	assert_int_equal(fake.columns, 80);
	assert_int_equal(fake.closed_stdin, 1);
	assert_int_equal(task_status(OWNER, "e1"), STATUS_RUNNING);

	assert_ok(task_kill(OWNER, "e1", SIGTERM, false), &harness.e);
	assert_ok(task_wait(OWNER, "e1", &status), &harness.e);
	assert_int_equal(status, 143);
	assert_err(task_kill(OWNER, "e1", SIGKILL, false), &harness.e, ERR_NOT_FOUND, "finished");
	assert_ok(task_delete(OWNER, "e1", &status), &harness.e);
	assert_int_equal(task_status(OWNER, "e1"), -1);
	assert_int_equal(harness.e.code, ERR_NOT_FOUND);
	/* Its id is free again. */
	assert_ok(task_exec(OWNER, "e1", false), &harness.e);
	assert_ok(task_delete(OWNER, "e1", &status), &harness.e);
	end_owner(0);
	harness_expect_events(
		"create sandbox;start sandbox;exec-added sandbox e1;exec-started sandbox e1;"
		"exit sandbox e1 143;exec-added sandbox e1;exit sandbox e1 137;"
		"exit sandbox sandbox 0;delete sandbox;");
	harness_close();
}

/* The init process's exit is the last of its container, whatever its execs were at. */
static void init_exits_last(void *arg)
{
	(void)arg;
	harness_open(false);
	run_owner();
	assert_ok(task_exec(OWNER, "e1", false), &harness.e);
	assert_ok(task_start(OWNER, "e1"), &harness.e);
	assert_ok(task_exec(OWNER, "e2", false), &harness.e);
	end_owner(5);
	assert_int_equal(publisher_flush(harness.publisher, deadline_in_ms(PATIENCE_MS)), 0);
	assert_non_null(strstr(harness.events, "exit sandbox e1 137;"));
	assert_non_null(strstr(harness.events, "exit sandbox e2 137;"));
	assert_non_null(strstr(harness.events, "exit sandbox sandbox 5;delete sandbox;"));
	assert_true(strstr(harness.events, "exit sandbox sandbox") >
		    strstr(harness.events, "exit sandbox e2"));
	harness_close();
}

static void failing_exec(void *arg)
{
	(void)arg;
	harness_open(false);
	run_owner();
	fake.refuse_exec = true;
	assert_ok(task_exec(OWNER, "e1", false), &harness.e);
	assert_err(task_start(OWNER, "e1"), &harness.e, ERR_NOT_FOUND, "exec 'sh': no such file");
	assert_int_equal(task_status(OWNER, "e1"), STATUS_STOPPED);
	assert_ok(task_wait(OWNER, "e1", &status), &harness.e);
	assert_int_equal(status, 255);
	assert_ok(task_delete(OWNER, "e1", &status), &harness.e);
	end_owner(0);
	harness_close();
}

/* Trap 15: a task that was never started ends by SIGKILL all the same. */
static void killed_before_start(void *arg)
{
	(void)arg;
	harness_open(false);
	assert_ok(task_create(OWNER), &harness.e);
	assert_ok(task_kill(OWNER, "", 0, false), &harness.e);
	assert_ok(task_kill(OWNER, "", SIGUSR1, false), &harness.e);
	assert_int_equal(task_status(OWNER, ""), STATUS_CREATED);
	assert_ok(task_kill(OWNER, "", SIGKILL, true), &harness.e);
	assert_ok(task_wait(OWNER, "", &status), &harness.e);
	assert_int_equal(status, 137);
	/* Who reads its output sees an end before Delete (trap 11). */
	assert_int_equal(fake.streams_open, 0);
	assert_ok(task_delete(OWNER, "", &status), &harness.e);
	harness_expect_events("create sandbox;exit sandbox sandbox 137;delete sandbox;");
	harness_close();
}

static void pausing(void *arg)
{
	(void)arg;
	harness_open(false);
	run_owner();
	assert_ok(task_pause(OWNER), &harness.e);
	assert_int_equal(task_status(OWNER, ""), STATUS_PAUSED);
	assert_err(task_exec(OWNER, "e1", false), &harness.e, ERR_STATE, "paused");
	assert_err(task_pause(OWNER), &harness.e, ERR_STATE, "paused");
	assert_ok(task_resume(OWNER), &harness.e);
	assert_ok(task_pause(OWNER), &harness.e);
	/* SIGKILL ends a frozen one: with cgroup v1 only because it is thawed. */
	assert_ok(task_kill(OWNER, "", SIGKILL, true), &harness.e);
	assert_false(fake.frozen);
	assert_ok(task_wait(OWNER, "", &status), &harness.e);
	assert_int_equal(status, 137);
	assert_ok(task_delete(OWNER, "", &status), &harness.e);
	harness_expect_events("create sandbox;start sandbox;paused sandbox;resumed sandbox;"
			      "paused sandbox;exit sandbox sandbox 137;delete sandbox;");
	harness_close();
}

static void oom(void *arg)
{
	(void)arg;
	harness_open(false);
	run_owner();
	fake_oom(OWNER);
	while (!strstr(harness.events, "oom sandbox;"))
		fiber_yield();
	end_owner(137);
	harness_close();
}

/* A pod: the sandbox goes with its owner, and everybody's end is told. */
static void two_containers(void *arg)
{
	(void)arg;
	harness_open(false);
	run_owner();
	assert_ok(task_create("c2"), &harness.e);
	assert_ok(task_start("c2", ""), &harness.e);
	fake_exit("c2", "", 1);
	assert_ok(task_wait("c2", "", &status), &harness.e);
	assert_ok(task_delete("c2", "", &status), &harness.e);
	assert_true(fake.alive);
	assert_ok(task_shutdown(false), &harness.e);

	assert_ok(task_create("c3"), &harness.e);
	assert_ok(task_start("c3", ""), &harness.e);
	end_owner(0);
	assert_ok(task_wait("c3", "", &status), &harness.e);
	assert_int_equal(status, 137);
	assert_ok(task_delete("c3", "", &status), &harness.e);
	harness_close();
}

static struct {
	unsigned done;
	uint32_t status;
} waits;

static void waiter(void *arg)
{
	uint32_t got;

	(void)arg;
	assert_ok(task_wait(OWNER, "", &got), &harness.e);
	waits.done++;
	waits.status = got;
	/* Trap 16. */
	assert_int_equal(task_status(OWNER, ""), STATUS_STOPPED);
}

static void many_waits(void *arg)
{
	struct fiber_group waiters = FIBER_GROUP_INIT;

	(void)arg;
	memset(&waits, 0, sizeof(waits));
	harness_open(false);
	assert_ok(task_create(OWNER), &harness.e);
	for (int i = 0; i < 100; i++)
		fiber_group_start(&waiters, "waiter", waiter, NULL);
	/* Trap 30: they hold up nobody. */
	assert_ok(task_start(OWNER, ""), &harness.e);
	assert_int_equal(task_status(OWNER, ""), STATUS_RUNNING);
	assert_int_equal(waits.done, 0);
	fake_exit(OWNER, "", 9);
	fiber_group_wait(&waiters);
	assert_int_equal(waits.done, 100);
	assert_int_equal(waits.status, 9);
	assert_ok(task_delete(OWNER, "", &status), &harness.e);
	harness_close();
}

/* Trap 7 and 9: Connect and Pids are what containerd judges a shim by after its own restart. */
static void connect_never_fails(void *arg)
{
	Containerd__Task__V2__ConnectRequest req;
	Containerd__Task__V2__ConnectResponse *resp;
	Containerd__Task__V2__PidsRequest pids_req;
	Containerd__Task__V2__PidsResponse *pids;
	struct rpc_client *other;

	(void)arg;
	harness_open(false);
	containerd__task__v2__connect_request__init(&req);
	req.id = message_text("nobody");
	assert_ok(rpc_call(harness.client, &containerd__task__v2__task__descriptor, "Connect", NULL,
			   &req, &resp, deadline_in_ms(PATIENCE_MS), &harness.e),
		  &harness.e);
	assert_int_equal(resp->shim_pid, getpid());
	assert_int_equal(resp->task_pid, 0);
	containerd__task__v2__connect_response__free_unpacked(resp, NULL);

	run_owner();
	/* containerd restarts: its connection ends, another one comes. */
	rpc_client_free(harness.client);
	harness.client = other = harness_connect();
	req.id = message_text(OWNER);
	assert_ok(rpc_call(other, &containerd__task__v2__task__descriptor, "Connect", NULL, &req,
			   &resp, deadline_in_ms(PATIENCE_MS), &harness.e),
		  &harness.e);
	assert_int_equal(resp->task_pid, FAKE_VMM_PID);
	containerd__task__v2__connect_response__free_unpacked(resp, NULL);

	fake.hang = true;
	containerd__task__v2__pids_request__init(&pids_req);
	pids_req.id = message_text(OWNER);
	assert_ok(rpc_call(other, &containerd__task__v2__task__descriptor, "Pids", NULL, &pids_req,
			   &pids, deadline_in_ms(PATIENCE_MS), &harness.e),
		  &harness.e);
	assert_int_equal(pids->n_processes, 1);
	assert_int_equal(pids->processes[0]->pid, FAKE_VMM_PID);
	containerd__task__v2__pids_response__free_unpacked(pids, NULL);
	fake.hang = false;
	end_owner(0);
	harness_close();
}

/* containerd is away while a task lives and dies: it hears of everything later, in order. */
static void events_wait_for_containerd(void *arg)
{
	(void)arg;
	harness_open(true);
	run_owner();
	harness_events_open();
	publisher_retry_now(harness.publisher);
	harness_expect_events("create sandbox;start sandbox;");
	harness_events_close();
	end_owner(0);
	harness_events_open();
	publisher_retry_now(harness.publisher);
	harness_expect_events("create sandbox;start sandbox;exit sandbox sandbox 0;"
			      "delete sandbox;");
	harness_close();
}

/* A reader that does not read delays the news of an exit, but not for ever. */
static void stalled_output(void *arg)
{
	int64_t began;

	(void)arg;
	harness_open(false);
	run_owner();
	fake.stall = true;
	began = clock_now_ms();
	fake_exit(OWNER, "", 0);
	assert_ok(task_wait(OWNER, "", &status), &harness.e);
	assert_in_range(fake.drain_ms, 1000, 3000);
	assert_true(clock_now_ms() - began < AT_ONCE_MS);
	fake.stall = false;
	harness_close();
}

static void both_versions(void *arg)
{
	static const char *const names[] = { "containerd.task.v2.Task", "containerd.task.v3.Task" };
	Containerd__Task__V2__CheckpointTaskRequest req;
	const struct rpc_service *const *table;
	uint8_t *resp = NULL;
	size_t n, len;

	(void)arg;
	harness_open(false);
	containerd__task__v2__checkpoint_task_request__init(&req);
	table = task_service_table(harness.service, &n);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		/* An empty ConnectRequest. */
		harness.e = ERR_INIT;
		assert_ok(rpc_dispatch(table, n, names[i], "Connect", NULL, 0, &resp, &len,
				       &harness.e),
			  &harness.e);
		free(take_ptr(resp));
		assert_err(rpc_dispatch(table, n, names[i], "Checkpoint", NULL, 0, &resp, &len,
					&harness.e),
			   &harness.e, ERR_UNSUPPORTED, "checkpoint");
	}
	harness_close();
}

IN_FIBER(whole_life)
IN_FIBER(wrong_moments)
IN_FIBER(execs)
IN_FIBER(init_exits_last)
IN_FIBER(failing_exec)
IN_FIBER(killed_before_start)
IN_FIBER(pausing)
IN_FIBER(oom)
IN_FIBER(two_containers)
IN_FIBER(many_waits)
IN_FIBER(connect_never_fails)
IN_FIBER(events_wait_for_containerd)
IN_FIBER(stalled_output)
IN_FIBER(both_versions)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole_life),
		cmocka_unit_test(test_wrong_moments),
		cmocka_unit_test(test_execs),
		cmocka_unit_test(test_init_exits_last),
		cmocka_unit_test(test_failing_exec),
		cmocka_unit_test(test_killed_before_start),
		cmocka_unit_test(test_pausing),
		cmocka_unit_test(test_oom),
		cmocka_unit_test(test_two_containers),
		cmocka_unit_test(test_many_waits),
		cmocka_unit_test(test_connect_never_fails),
		cmocka_unit_test(test_events_wait_for_containerd),
		cmocka_unit_test(test_stalled_output),
		cmocka_unit_test(test_both_versions),
	};

	return cmocka_run_group_tests_name("task", tests, NULL, NULL);
}
