/* SPDX-License-Identifier: Apache-2.0 */
/* A sandbox that is made, watched and ended by calls of its own, with tasks as its containers. */
#include "tests/component/task_harness.h"

#include <signal.h>
#include <stdlib.h>

#include "cgroups_v1.pb-c.h"
#include "cgroups_v2.pb-c.h"
#include "common/base/mem.h"
#include "sandbox.pb-c.h"
#include "shim/task/container.h"

#define API(name) Containerd__Runtime__Sandbox__V1__##name
#define ID        "sandbox" /* the id that the harness gave the service */

static uint32_t status;

static int call(const char *method, const void *req, void *ret_resp)
{
	harness.e = ERR_INIT;
	return rpc_call(harness.client, &containerd__runtime__sandbox__v1__sandbox__descriptor,
			method, "testing", req, ret_resp, deadline_in_ms(PATIENCE_MS), &harness.e);
}

/* All but CreateSandbox and StopSandbox have the id alone. */
static int call_plain(const char *method, void *ret_resp)
{
	API(PingRequest) req;

	containerd__runtime__sandbox__v1__ping_request__init(&req);
	req.sandbox_id = message_text(ID);
	/* The same bytes on the wire, whatever the type is called. */
	if (strcmp(method, "StartSandbox") == 0)
		req.base.descriptor =
			&containerd__runtime__sandbox__v1__start_sandbox_request__descriptor;
	if (strcmp(method, "WaitSandbox") == 0)
		req.base.descriptor =
			&containerd__runtime__sandbox__v1__wait_sandbox_request__descriptor;
	if (strcmp(method, "Platform") == 0)
		req.base.descriptor =
			&containerd__runtime__sandbox__v1__platform_request__descriptor;
	if (strcmp(method, "SandboxMetrics") == 0)
		req.base.descriptor =
			&containerd__runtime__sandbox__v1__sandbox_metrics_request__descriptor;
	if (strcmp(method, "ShutdownSandbox") == 0)
		req.base.descriptor =
			&containerd__runtime__sandbox__v1__shutdown_sandbox_request__descriptor;
	return call(method, &req, ret_resp);
}

static int create_as(const char *id)
{
	API(CreateSandboxRequest) req;
	API(CreateSandboxResponse) * resp;
	char bundle[128];

	harness_bundle(ID, bundle);
	containerd__runtime__sandbox__v1__create_sandbox_request__init(&req);
	req.sandbox_id = message_text(id);
	req.bundle_path = bundle;
	if (call("CreateSandbox", &req, &resp) < 0)
		return -1;
	containerd__runtime__sandbox__v1__create_sandbox_response__free_unpacked(resp, NULL);
	return 0;
}

static int start(void)
{
	API(StartSandboxResponse) * resp;

	if (call_plain("StartSandbox", &resp) < 0)
		return -1;
	assert_int_equal(resp->pid, FAKE_VMM_PID);
	assert_non_null(resp->created_at);
	containerd__runtime__sandbox__v1__start_sandbox_response__free_unpacked(resp, NULL);
	return 0;
}

static int stop(void)
{
	API(StopSandboxRequest) req;
	API(StopSandboxResponse) * resp;

	containerd__runtime__sandbox__v1__stop_sandbox_request__init(&req);
	req.sandbox_id = message_text(ID);
	req.timeout_secs = 10;
	if (call("StopSandbox", &req, &resp) < 0)
		return -1;
	containerd__runtime__sandbox__v1__stop_sandbox_response__free_unpacked(resp, NULL);
	return 0;
}

static int wait_ended(uint32_t *ret_status)
{
	API(WaitSandboxResponse) * resp;

	if (call_plain("WaitSandbox", &resp) < 0)
		return -1;
	*ret_status = resp->exit_status;
	assert_non_null(resp->exited_at);
	assert_true(resp->exited_at->seconds > 0);
	containerd__runtime__sandbox__v1__wait_sandbox_response__free_unpacked(resp, NULL);
	return 0;
}

static void expect_state(const char *state)
{
	API(SandboxStatusRequest) req;
	API(SandboxStatusResponse) * resp;

	containerd__runtime__sandbox__v1__sandbox_status_request__init(&req);
	req.sandbox_id = message_text(ID);
	req.verbose = true;
	assert_ok(call("SandboxStatus", &req, &resp), &harness.e);
	assert_string_equal(resp->state, state);
	assert_string_equal(resp->sandbox_id, ID);
	containerd__runtime__sandbox__v1__sandbox_status_response__free_unpacked(resp, NULL);
}

static int ping(void)
{
	API(PingResponse) * resp;

	if (call_plain("PingSandbox", &resp) < 0)
		return -1;
	containerd__runtime__sandbox__v1__ping_response__free_unpacked(resp, NULL);
	return 0;
}

static void shut_down(void)
{
	API(ShutdownSandboxResponse) * resp;

	assert_ok(call_plain("ShutdownSandbox", &resp), &harness.e);
	containerd__runtime__sandbox__v1__shutdown_sandbox_response__free_unpacked(resp, NULL);
	assert_ok(task_service_wait_shutdown(harness.service, deadline_in_ms(PATIENCE_MS),
					     &harness.e),
		  &harness.e);
	assert_false(fake.alive);
}

struct waiter {
	bool done;
	uint32_t status;
	struct fiber_group fiber;
};

static void wait_fiber(void *arg)
{
	struct waiter *w = arg;

	assert_ok(wait_ended(&w->status), &harness.e);
	w->done = true;
}

static void run_container(const char *id)
{
	harness.container_type = "container";
	assert_ok(task_create(id), &harness.e);
	assert_ok(task_start(id, ""), &harness.e);
}

/* In the version of the message that fits the host. */
static void expect_pids(uint64_t want)
{
	API(SandboxMetricsResponse) * resp;
	const Google__Protobuf__Any *data;

	assert_ok(call_plain("SandboxMetrics", &resp), &harness.e);
	assert_string_equal(resp->metrics->id, ID);
	assert_non_null(resp->metrics->timestamp);
	data = resp->metrics->data;
	if (strcmp(data->type_url, "io.containerd.cgroups.v2.Metrics") == 0) {
		Io__Containerd__Cgroups__V2__Metrics *m =
			io__containerd__cgroups__v2__metrics__unpack(NULL, data->value.len,
								     data->value.data);

		assert_int_equal(m->pids->current, want);
		io__containerd__cgroups__v2__metrics__free_unpacked(m, NULL);
	} else {
		Io__Containerd__Cgroups__V1__Metrics *m =
			io__containerd__cgroups__v1__metrics__unpack(NULL, data->value.len,
								     data->value.data);

		assert_string_equal(data->type_url, "io.containerd.cgroups.v1.Metrics");
		assert_int_equal(m->pids->current, want);
		io__containerd__cgroups__v1__metrics__free_unpacked(m, NULL);
	}
	containerd__runtime__sandbox__v1__sandbox_metrics_response__free_unpacked(resp, NULL);
}

static void whole_life(void *arg)
{
	struct waiter w = { .fiber = FIBER_GROUP_INIT };
	API(PlatformResponse) * platform;

	(void)arg;
	harness_open(false);
	assert_err(ping(), &harness.e, ERR_NOT_FOUND, ID);
	assert_err(create_as("another"), &harness.e, ERR_INVALID, "another");
	assert_ok(create_as(ID), &harness.e);
	assert_err(create_as(ID), &harness.e, ERR_EXISTS, ID);
	expect_state("SANDBOX_NOTREADY");
	assert_err(ping(), &harness.e, ERR_STATE, "not running");
	assert_false(fake.alive);

	assert_ok(start(), &harness.e);
	assert_err(start(), &harness.e, ERR_STATE, "running");
	assert_ok(ping(), &harness.e);
	expect_state("SANDBOX_READY");
	assert_ok(call_plain("Platform", &platform), &harness.e);
	assert_string_equal(platform->platform->os, "linux");
	containerd__runtime__sandbox__v1__platform_response__free_unpacked(platform, NULL);
	fiber_group_start(&w.fiber, "waiter", wait_fiber, &w);

	/* Containers come and go, and the Shutdown behind the last of them ends nothing. */
	run_container("c1");
	fake_exit("c1", "", 3);
	assert_ok(task_wait("c1", "", &status), &harness.e);
	assert_ok(task_delete("c1", "", &status), &harness.e);
	assert_ok(task_shutdown(false), &harness.e);
	assert_err(task_service_wait_shutdown(harness.service, deadline_in_ms(20), &harness.e),
		   &harness.e, ERR_TIMEOUT, "");
	assert_true(fake.alive);
	assert_false(w.done);

	run_container("c2");
	run_container("c3");
	expect_pids(2 * 7); /* what the fake guest says of each */
	fake_exit("c3", "", 0);
	assert_ok(task_wait("c3", "", &status), &harness.e);
	assert_ok(task_delete("c3", "", &status), &harness.e);
	assert_ok(stop(), &harness.e);
	assert_false(fake.alive);
	fiber_group_wait(&w.fiber);
	assert_int_equal(w.status, 0);
	expect_state("SANDBOX_NOTREADY");
	assert_ok(task_wait("c2", "", &status), &harness.e);
	assert_int_equal(status, 137);
	assert_ok(task_delete("c2", "", &status), &harness.e);
	assert_ok(stop(), &harness.e); /* again */
	harness.container_type = NULL;
	assert_err(task_create("c4"), &harness.e, ERR_UNAVAILABLE, "not running");
	shut_down();
	harness_close();
}

static void machine_dies(void *arg)
{
	(void)arg;
	harness_open(false);
	assert_ok(create_as(ID), &harness.e);
	assert_ok(start(), &harness.e);
	run_container("c1");
	fake_die();
	assert_ok(wait_ended(&status), &harness.e);
	assert_int_equal(status, 137);
	assert_ok(task_wait("c1", "", &status), &harness.e);
	assert_int_equal(status, 137);
	expect_state("SANDBOX_NOTREADY");
	assert_ok(stop(), &harness.e);
	assert_ok(task_delete("c1", "", &status), &harness.e);
	shut_down();
	harness_close();
}

static void failing_boot(void *arg)
{
	(void)arg;
	harness_open(false);
	assert_ok(create_as(ID), &harness.e);
	fake.fail_at = 1;
	assert_err(start(), &harness.e, ERR_INTERNAL, ID);
	expect_state("SANDBOX_NOTREADY");
	assert_ok(stop(), &harness.e);
	assert_ok(wait_ended(&status), &harness.e);
	shut_down();
	harness_close();
}

static void start_fiber(void *arg)
{
	int *result = arg;

	*result = start();
}

static void stopped_while_it_starts(void *arg)
{
	struct fiber_group group = FIBER_GROUP_INIT;
	int result = 1;

	(void)arg;
	harness_open(false);
	assert_ok(create_as(ID), &harness.e);
	fake.boot_ms = PATIENCE_MS;
	fiber_group_start(&group, "start", start_fiber, &result);
	while (!fake.booting)
		fiber_yield();
	assert_ok(stop(), &harness.e);
	fiber_group_wait(&group);
	assert_int_equal(result, -1);
	assert_false(fake.alive);
	shut_down();
	harness_close();
}

static void never_started(void *arg)
{
	(void)arg;
	harness_open(false);
	assert_ok(create_as(ID), &harness.e);
	shut_down();
	assert_ok(wait_ended(&status), &harness.e);
	assert_int_equal(status, 0);
	harness_close();
}

/* After a CreateSandbox that was refused. */
static void never_created(void *arg)
{
	(void)arg;
	harness_open(false);
	shut_down();
	harness_close();
}

IN_FIBER(whole_life)
IN_FIBER(machine_dies)
IN_FIBER(failing_boot)
IN_FIBER(stopped_while_it_starts)
IN_FIBER(never_started)
IN_FIBER(never_created)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole_life),
		cmocka_unit_test(test_machine_dies),
		cmocka_unit_test(test_failing_boot),
		cmocka_unit_test(test_stopped_while_it_starts),
		cmocka_unit_test(test_never_started),
		cmocka_unit_test(test_never_created),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
