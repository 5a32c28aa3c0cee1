/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pod as the CRI leads it: a sandbox task that stands for the machine and has no process, and
 * containers that come and go in it.
 */
#include "tests/component/task_harness.h"

#include <signal.h>

#include "common/base/mem.h"
#include "shim/agent/agent.h"

#define POD "sandbox" /* the id that the harness gave the service */

static uint32_t status;

static int create_as(const char *type, const char *id)
{
	harness.container_type = type;
	return task_create(id);
}

static void run_pod(void)
{
	assert_ok(create_as("sandbox", POD), &harness.e);
	assert_int_equal(task_status(POD, ""), STATUS_CREATED);
	assert_ok(task_start(POD, ""), &harness.e);
	assert_int_equal(task_status(POD, ""), STATUS_RUNNING);
	assert_true(fake.alive);
}

static void run_container(const char *id)
{
	assert_ok(create_as("container", id), &harness.e);
	assert_ok(task_start(id, ""), &harness.e);
}

static void expect_exit(const char *id, uint32_t code)
{
	assert_ok(task_wait(id, "", &status), &harness.e);
	assert_int_equal(status, code);
	assert_int_equal(task_status(id, ""), STATUS_STOPPED);
	assert_ok(task_delete(id, "", &status), &harness.e);
	assert_int_equal(status, code);
}

static void whole_life(void *arg)
{
	uint64_t pids;

	(void)arg;
	harness_open(false);
	run_pod();
	assert_string_equal(fake.log, "boot sandbox;"); /* nothing else of it in the guest */
	assert_err(task_exec(POD, "e1", false), &harness.e, ERR_STATE, "no process");
	assert_err(task_stats(POD, &pids), &harness.e, ERR_NOT_FOUND, "sandbox");
	assert_err(task_pause(POD), &harness.e, ERR_STATE, "no process");
	assert_ok(task_kill(POD, "", 0, false), &harness.e);

	run_container("c1");
	fake_exit("c1", "", 3);
	expect_exit("c1", 3);
	assert_true(fake.alive);
	run_container("c2");
	assert_ok(task_kill("c2", "", SIGTERM, false), &harness.e);
	expect_exit("c2", 143);
	assert_int_equal(task_status(POD, ""), STATUS_RUNNING);

	assert_ok(task_kill(POD, "", SIGKILL, false), &harness.e);
	expect_exit(POD, 137);
	assert_false(fake.alive);
	assert_ok(task_shutdown(false), &harness.e);
	assert_ok(task_service_wait_shutdown(harness.service, deadline_in_ms(PATIENCE_MS),
					     &harness.e),
		  &harness.e);
	harness_expect_events("create sandbox;start sandbox;create c1;start c1;exit c1 c1 3;"
			      "delete c1;create c2;start c2;exit c2 c2 143;delete c2;"
			      "exit sandbox sandbox 137;delete sandbox;");
	harness_close();
}

/* Its containers need not be stopped first. */
static void killed_under_its_containers(void *arg)
{
	(void)arg;
	harness_open(false);
	run_pod();
	run_container("c1");
	assert_ok(create_as("container", "c2"), &harness.e);
	assert_ok(task_kill(POD, "", SIGKILL, false), &harness.e);
	expect_exit(POD, 137);
	expect_exit("c1", 137);
	expect_exit("c2", 137);
	assert_false(fake.alive);
	harness_close();
}

#define KILL_MS 9000 /* less than the time of any call to an agent */

static int64_t kill_ms; /* of the last killed_while_the_guest_hangs() */

/* An agent that answers nothing must not keep it. */
static void killed_while_the_guest_hangs(void *arg)
{
	int64_t began;

	(void)arg;
	harness_open(false);
	run_pod();
	run_container("c1");
	fake.hang = true;
	began = clock_now_ms();
	assert_ok(task_kill(POD, "", SIGKILL, false), &harness.e);
	expect_exit(POD, 137);
	expect_exit("c1", 137);
	kill_ms = clock_now_ms() - began;
	assert_false(fake.alive);
	harness_close();
}

/* What the event of the sandbox's death said. */
static void expect_death(const char *died)
{
	assert_int_equal(publisher_flush(harness.publisher, deadline_in_ms(PATIENCE_MS)), 0);
	assert_string_equal(harness.died, died);
}

/* The reason comes once, and before every exit. */
static void machine_dies(void *arg)
{
	const char *died;

	(void)arg;
	harness_open(false);
	run_pod();
	run_container("c1");
	run_container("c2");
	assert_ok(create_as("container", "c3"), &harness.e);
	fake.exit_code = 137;
	fake_die();
	expect_exit("c1", 137);
	expect_exit("c2", 137);
	expect_exit("c3", 137);
	expect_exit(POD, 137);
	expect_death("sandbox sandbox died: killed by the test|MACHINE_DIED|"
		     "sandbox_id=sandbox process=qemu pid=4242 signal=9");
	died = strstr(harness.events, "died ;");
	assert_non_null(died);
	assert_true(died < strstr(harness.events, "exit "));
	assert_null(strstr(died + 1, "died ;"));
	harness_close();
}

/* What runs in a machine without an agent will not be heard of again. */
static void agent_is_lost(void *arg)
{
	(void)arg;
	harness_open(false);
	run_pod();
	run_container("c1");
	fake_lose_agent();
	expect_exit("c1", 137);
	expect_exit(POD, 137);
	expect_death(
		"sandbox sandbox has lost its agent: the VM is gone|AGENT_LOST|sandbox_id=sandbox");
	assert_int_equal(fake.held, 0);
	harness_close();
}

static void machine_ends_by_itself(void *arg)
{
	(void)arg;
	harness_open(false);
	run_pod();
	fake.exit_code = 1;
	fake_die();
	expect_exit(POD, 137);
	expect_death("sandbox sandbox died: killed by the test|MACHINE_DIED|"
		     "sandbox_id=sandbox process=qemu pid=4242 exit_code=1");
	harness_close();
}

/* containerd, back again, deletes the pod's task before those of its containers, and asks no more. */
static void pod_is_deleted_before_its_containers(void *arg)
{
	(void)arg;
	harness_open(false);
	run_pod();
	run_container("c1");
	assert_ok(task_shutdown(false), &harness.e);
	fake_die();
	expect_exit(POD, 137);
	assert_ok(task_shutdown(false), &harness.e);
	assert_err(task_service_wait_shutdown(harness.service, deadline_in_ms(20), &harness.e),
		   &harness.e, ERR_TIMEOUT, "");
	expect_exit("c1", 137);
	harness.e = ERR_INIT;
	assert_ok(task_service_wait_shutdown(harness.service, deadline_in_ms(PATIENCE_MS),
					     &harness.e),
		  &harness.e);
	harness_close();
}

/* The reason comes before the exit, for those that had not ended by themselves. */
static void host_is_out_of_memory(void *arg)
{
	(void)arg;
	harness_open(false);
	run_pod();
	run_container("c1");
	fake_exit("c1", "", 0);
	assert_ok(task_wait("c1", "", &status), &harness.e);
	run_container("c2");
	fake.host_oom = true;
	fake.exit_code = 137;
	fake_die();
	expect_exit("c2", 137);
	expect_exit("c1", 0);
	expect_exit(POD, 137);
	expect_death("sandbox sandbox died: killed by the test|HOST_OUT_OF_MEMORY|"
		     "sandbox_id=sandbox process=qemu pid=4242 signal=9");
	assert_null(strstr(harness.events, "oom c1;"));
	assert_non_null(strstr(harness.events, "oom c2;"));
	assert_true(strstr(harness.events, "oom c2;") < strstr(harness.events, "exit c2"));
	harness_close();
}

/* What would be the first container of a new machine is none: the pod is over. */
static void container_of_a_pod_that_has_ended(void *arg)
{
	(void)arg;
	harness_open(false);
	assert_err(create_as("container", "c0"), &harness.e, ERR_UNAVAILABLE, "not running");
	run_pod();
	assert_ok(task_kill(POD, "", SIGKILL, false), &harness.e);
	assert_ok(task_wait(POD, "", &status), &harness.e);
	assert_err(create_as("container", "c1"), &harness.e, ERR_UNAVAILABLE, "");
	assert_ok(task_delete(POD, "", &status), &harness.e);
	assert_err(create_as("container", "c2"), &harness.e, ERR_UNAVAILABLE, "not running");
	assert_false(fake.alive);
	harness_close();
}

/* The kubelet gives up between Create and Start. */
static void killed_before_its_start(void *arg)
{
	(void)arg;
	harness_open(false);
	assert_ok(create_as("sandbox", POD), &harness.e);
	assert_ok(task_kill(POD, "", SIGKILL, false), &harness.e);
	expect_exit(POD, 137);
	assert_false(fake.alive);
	harness_close();
}

IN_FIBER(whole_life)
IN_FIBER(killed_under_its_containers)
static void test_killed_while_the_guest_hangs(void **state)
{
	(void)state;
	for (int i = 0; i < MEASUREMENTS && (i == 0 || kill_ms >= KILL_MS); i++)
		fiber_main(killed_while_the_guest_hangs, NULL);
	assert_in_range(kill_ms, 0, KILL_MS);
}

IN_FIBER(machine_dies)
IN_FIBER(agent_is_lost)
IN_FIBER(machine_ends_by_itself)
IN_FIBER(pod_is_deleted_before_its_containers)
IN_FIBER(host_is_out_of_memory)
IN_FIBER(container_of_a_pod_that_has_ended)
IN_FIBER(killed_before_its_start)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole_life),
		cmocka_unit_test(test_killed_under_its_containers),
		cmocka_unit_test(test_killed_while_the_guest_hangs),
		cmocka_unit_test(test_machine_dies),
		cmocka_unit_test(test_agent_is_lost),
		cmocka_unit_test(test_machine_ends_by_itself),
		cmocka_unit_test(test_pod_is_deleted_before_its_containers),
		cmocka_unit_test(test_host_is_out_of_memory),
		cmocka_unit_test(test_container_of_a_pod_that_has_ended),
		cmocka_unit_test(test_killed_before_its_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
