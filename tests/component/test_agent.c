/* SPDX-License-Identifier: Apache-2.0 */
/* The agent as a process, driven over a unix socket as a host would. Needs root. */
#include "tests/lib/test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "common/async/fiber.h"
#include "common/base/fd.h"
#include "common/base/path.h"
#include "health.pb-c.h"
#include "tests/component/agent_harness.h"

static void health(struct agent_run *run)
{
	Grpc__CheckRequest req;
	Grpc__HealthCheckResponse *check;
	Grpc__VersionCheckResponse *version;

	grpc__check_request__init(&req);
	CHECK(run, rpc_call(run->client, &grpc__health__descriptor, "Check", NULL, &req, &check,
			    SECONDS(60), &run->e) == 0);
	CHECK(run, check->status == GRPC__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING);
	grpc__health_check_response__free_unpacked(check, NULL);
	CHECK(run, rpc_call(run->client, &grpc__health__descriptor, "Version", NULL, &req, &version,
			    SECONDS(60), &run->e) == 0);
	CHECK(run, strcmp(version->grpc_version, "0.0.1") == 0);
	grpc__version_check_response__free_unpacked(version, NULL);
}

static void guest_details(struct agent_run *run)
{
	Grpc__GuestDetailsRequest req;
	Grpc__GuestDetailsResponse *resp;
	bool ordered = false;

	grpc__guest_details_request__init(&req);
	CHECK(run, agent_call(run, "GetGuestDetails", &req, &resp) == 0);
	for (size_t i = 0; i < resp->agent_details->n_extra_features; i++)
		if (strcmp(resp->agent_details->extra_features[i], "husk.ordered-streams") == 0)
			ordered = true;
	CHECK(run, ordered && !resp->agent_details->init_daemon);
	grpc__guest_details_response__free_unpacked(resp, NULL);
}

static void refused(struct agent_run *run)
{
	Grpc__AddSwapRequest req;

	grpc__add_swap_request__init(&req);
	CHECK_ERR(run, agent_call(run, "AddSwap", &req, NULL), ERR_INVALID, "PCI path is empty");
}

static void output_and_code(struct agent_run *run)
{
	auto_buf struct buf out = BUF_INIT;
	auto_buf struct buf err = BUF_INIT;
	int code = -1;

	CHECK(run, agent_run_script(run, "c1", "echo out; echo err >&2; hostname; exit 7") == 0);
	CHECK(run, agent_read_all(run, "ReadStdout", "c1", "", &out) == 0);
	CHECK(run, agent_read_all(run, "ReadStderr", "c1", "c1", &err) == 0);
	CHECK(run, agent_wait(run, "c1", "", &code) == 0);
	CHECK(run, TEXT_IS(out, "out\nhusk-test\n"));
	CHECK(run, TEXT_IS(err, "err\n"));
	CHECK(run, code == 7);
	CHECK(run, agent_signal(run, "c1", "", SIGKILL) == 0);
	CHECK(run, agent_remove(run, "c1") == 0);
	CHECK_ERR(run, agent_remove(run, "c1"), ERR_NOT_FOUND, "c1");
	CHECK_ERR(run, agent_wait(run, "c1", "", &code), ERR_NOT_FOUND, "c1");
}

static void exec_process(struct agent_run *run)
{
	static const char *const missing[] = { "/no/such/program", NULL };
	/* No shell around it: one may miss a SIGINT that comes just before it waits for its child. */
	static const char *const sleeper[] = { "sleep", "100", NULL };
	auto_buf struct buf out = BUF_INIT;
	auto_buf struct buf err = BUF_INIT;
	int code;

	CHECK(run, agent_run_script(run, "c1", "sleep 100") == 0);
	CHECK(run, agent_exec(run, "c1", "e1",
			      "echo $$; cat /proc/1/cmdline; echo no >&2; exit 3") == 0);
	CHECK(run, agent_read_all(run, "ReadStdout", "c1", "e1", &out) == 0);
	CHECK(run, agent_read_all(run, "ReadStderr", "c1", "e1", &err) == 0);
	CHECK(run, agent_wait(run, "c1", "e1", &code) == 0 && code == 3);
	/* Of the container's init, which may still be the shell that becomes it. */
	CHECK(run, out.len > 8 && memmem(out.data, out.len, "sleep", 5));
	CHECK(run, TEXT_IS(err, "no\n"));
	/* Forgotten once all of it was fetched, and its name is free again. */
	CHECK_ERR(run, agent_wait(run, "c1", "e1", &code), ERR_NOT_FOUND, "Process not found");
	CHECK(run, agent_exec_args(run, "c1", "e1", sleeper, false) == 0);
	CHECK_ERR(run, agent_exec(run, "c1", "e1", "true"), ERR_EXISTS, "e1");
	CHECK_ERR(run, agent_exec(run, "c1", "", "true"), ERR_INVALID, "identifier");
	CHECK_ERR(run, agent_exec(run, "c1", "../x", "true"), ERR_INVALID, "identifier");
	CHECK_ERR(run, agent_exec_args(run, "c1", "e2", missing, false), ERR_INTERNAL,
		  "/no/such/program");
	CHECK_ERR(run, agent_signal(run, "c1", "e2", SIGTERM), ERR_NOT_FOUND, "e2");
	CHECK(run, agent_signal(run, "c1", "e1", SIGINT) == 0);
	CHECK(run, agent_wait(run, "c1", "e1", &code) == 0 && code == 128 + SIGINT);
	CHECK(run, agent_remove(run, "c1") == 0);
}

static void signals(struct agent_run *run)
{
	static const struct {
		const char *script;
		uint32_t sig;
		int code;
	} cases[] = {
		{ "sleep 100", SIGKILL, 137 },
		/* PID 1 of its namespace without a handler: the kernel would drop it. */
		{ "exec sleep 100", SIGTERM, 143 },
		{ "trap 'exit 9' TERM; echo; while :; do sleep 0.05; done", SIGTERM, 9 },
		{ "trap 'exit 4' INT; echo; while :; do sleep 0.05; done", SIGINT, 4 },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		auto_free char *id = xasprintf("c%zu", i + 10);
		auto_free char *first = NULL;
		size_t len;
		int code = -1;

		CHECK(run, agent_run_script(run, id, cases[i].script) == 0);
		if (strstr(cases[i].script, "echo"))
			CHECK(run, agent_read(run, "ReadStdout", id, "", 1, &first, &len) == 0);
		CHECK(run, agent_signal(run, id, id, cases[i].sig) == 0);
		CHECK(run, agent_wait(run, id, "", &code) == 0);
		CHECK(run, code == cases[i].code);
		CHECK(run, agent_remove(run, id) == 0);
	}
	CHECK_ERR(run, agent_signal(run, "none", "", SIGTERM), ERR_NOT_FOUND, "none");
}

static void signal_number(struct agent_run *run)
{
	CHECK(run, agent_run_script(run, "c1", "sleep 100") == 0);
	CHECK(run, agent_signal(run, "c1", "c1", 0) == 0);
	CHECK_ERR(run, agent_signal(run, "c1", "c1", 999), ERR_INVALID, "999");
	CHECK(run, agent_remove(run, "c1") == 0);
}

/* Created and never started: waits, can be killed, cannot be started any more then. */
static void created(struct agent_run *run)
{
	static const char *const args[] = { "sleep", "100", NULL };
	const struct agent_container c = { .id = "c1", .args = args };
	int code;

	CHECK(run, agent_create(run, &c) == 0);
	CHECK_ERR(run, agent_create(run, &c), ERR_EXISTS, "c1");
	CHECK(run, agent_signal(run, "c1", "", SIGKILL) == 0);
	CHECK(run, agent_wait(run, "c1", "", &code) == 0 && code == 137);
	CHECK_ERR(run, agent_start(run, "c1"), ERR_STATE, "stopped");
	CHECK(run, agent_remove(run, "c1") == 0);

	CHECK(run, agent_create(run, &c) == 0);
	CHECK(run, agent_start(run, "c1") == 0);
	CHECK_ERR(run, agent_start(run, "c1"), ERR_STATE, "running");
	CHECK(run, agent_remove(run, "c1") == 0);
}

struct create_call {
	struct agent_run run; /* with an error of its own */
	int r;
};

/* A mount of another container is waited for, here of one that never comes. */
static void create_waiting(void *arg)
{
	static const char *const args[] = { "sleep", "100", NULL };
	struct create_call *call = arg;
	Grpc__SharedMount mount, *mounts[] = { &mount };
	const struct agent_container c = {
		.id = "c1", .args = args, .shared_mounts = mounts, .n_shared_mounts = 1
	};

	grpc__shared_mount__init(&mount);
	mount.name = (char *)(uintptr_t) "data";
	mount.src_ctr = (char *)(uintptr_t) "nobody";
	mount.src_path = mount.dst_path = (char *)(uintptr_t) "/tmp";
	call->r = agent_create(&call->run, &c);
}

/* The process of the container that is being created, once it is in its root. -1: not there yet. */
static pid_t find_stage(const struct agent_run *run)
{
	int agent = (int)child_pid(run->agent);
	auto_free char *path = xasprintf("/proc/%d/task/%d/children", agent, agent);
	auto_free char *children = NULL;
	auto_free char *root = NULL;
	struct err ignored = ERR_INIT;
	struct stat own, its;
	long pid;

	if (file_read(AT_FDCWD, path, 1u << 16, &children, NULL, &ignored) < 0)
		return -1;
	pid = strtol(children, NULL, 10);
	root = xasprintf("/proc/%ld/root", pid);
	if (pid <= 0 || stat(root, &its) < 0 || stat(run->rootfs, &own) < 0)
		return -1;
	return own.st_dev == its.st_dev && own.st_ino == its.st_ino ? (pid_t)pid : -1;
}

/* Its end in the middle of that does not give the container to whoever would remove it. */
static void dies_while_being_created(struct agent_run *run)
{
	struct create_call call = { .run = *run, .r = 1 };
	struct fiber_group group = FIBER_GROUP_INIT;
	struct deadline d = SECONDS(20);
	pid_t stage;

	fiber_group_start(&group, "create", create_waiting, &call);
	while ((stage = find_stage(run)) < 0 && !deadline_passed(d))
		CHECK(run, fiber_sleep_ms(20, &run->e) == 0);
	/* For the few steps that are left before it waits. */
	CHECK(run, fiber_sleep_ms(1000, &run->e) == 0);
	CHECK(run, stage > 0 && kill(stage, SIGKILL) == 0);
	CHECK(run, fiber_sleep_ms(500, &run->e) == 0);
	CHECK_ERR(run, agent_remove(run, "c1"), ERR_STATE, "being created");
	fiber_group_wait(&group);
	CHECK(run, call.r < 0 && strstr(call.run.e.text, "no container named 'nobody'"));
	CHECK_ERR(run, agent_remove(run, "c1"), ERR_NOT_FOUND, "c1");
}

/* More files than are worth copying: it is bound as it is, and as its options say. */
static void large_watched_volume(struct agent_run *run)
{
	static const char *const args[] = { "true", NULL };
	static const char *const options[] = { "bind", "ro" };
	auto_free char *source = path_join(run->dir, "large");
	auto_free char *point = path_join(run->run_dir, "volume");
	auto_free char *wanted = xasprintf(" %s ro,", point);
	auto_free char *mounts = xasprintf("/proc/%d/mountinfo", (int)child_pid(run->agent));
	auto_free char *text = NULL;
	Grpc__Storage s, *storages[] = { &s };
	const struct agent_container c = {
		.id = "c1", .args = args, .storages = storages, .n_storages = 1
	};

	CHECK(run, mkdir(source, 0755) == 0);
	for (int i = 0; i < 20; i++) {
		auto_free char *path = xasprintf("%s/%d", source, i);
		auto_close int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

		CHECK(run, fd >= 0);
	}
	grpc__storage__init(&s);
	s.driver = (char *)(uintptr_t) "watchable-bind";
	s.fstype = (char *)(uintptr_t) "bind";
	s.source = source;
	s.mount_point = point;
	s.options = (char **)(uintptr_t)options;
	s.n_options = ARRAY_LEN(options);
	CHECK(run, agent_create(run, &c) == 0);
	CHECK(run, file_read(AT_FDCWD, mounts, 1u << 20, &text, NULL, &run->e) == 0);
	CHECK(run, strstr(text, wanted) != NULL);
	CHECK(run, agent_remove(run, "c1") == 0);
}

static void bad_requests(struct agent_run *run)
{
	static const char *const args[] = { "true", NULL };
	static const char *const missing[] = { "/no/such/program", NULL };
	static const char *const none[] = { NULL };
	struct agent_container c = { .id = "../c1", .args = args };

	CHECK_ERR(run, agent_create(run, &c), ERR_INVALID, "identifier");
	c = (struct agent_container){ .id = "c1", .args = none };
	CHECK_ERR(run, agent_create(run, &c), ERR_INVALID, "arguments");
	c = (struct agent_container){ .id = "c1", .args = args, .rootfs = "/no/such/root" };
	CHECK_ERR(run, agent_create(run, &c), ERR_NOT_FOUND, "/no/such/root");
	c = (struct agent_container){ .id = "c1", .args = missing };
	CHECK_ERR(run, agent_create(run, &c), ERR_INTERNAL, "/no/such/program");
	/* Nothing of the failed ones is in the way. */
	c.args = args;
	CHECK(run, agent_create(run, &c) == 0);
	CHECK(run, agent_remove(run, "c1") == 0);
	CHECK_ERR(run, agent_start(run, "c1"), ERR_NOT_FOUND, "c1");
	CHECK_ERR(run, agent_write(run, "c1", "", "x", 1), ERR_NOT_FOUND, "c1");
}

struct waiter_call {
	struct agent_run *run;
	int code;
};

static void wait_init(void *arg)
{
	struct waiter_call *w = arg;
	Grpc__WaitProcessRequest req;
	Grpc__WaitProcessResponse *resp;
	struct err e = ERR_INIT;

	grpc__wait_process_request__init(&req);
	req.container_id = (char *)(uintptr_t) "c1";
	if (rpc_call(w->run->client, &grpc__agent_service__descriptor, "WaitProcess", NULL, &req,
		     &resp, SECONDS(60), &e) < 0)
		return;
	w->code = resp->status;
	grpc__wait_process_response__free_unpacked(resp, NULL);
}

static void many_waiters(struct agent_run *run)
{
	struct waiter_call w[5];
	struct fiber_group group = FIBER_GROUP_INIT;

	CHECK(run, agent_run_script(run, "c1", "read x; exit 11") == 0);
	for (size_t i = 0; i < ARRAY_LEN(w); i++) {
		w[i] = (struct waiter_call){ .run = run, .code = -1 };
		fiber_group_start(&group, "waiter", wait_init, &w[i]);
	}
	fiber_yield();
	CHECK(run, agent_write(run, "c1", "", "\n", 1) == 0);
	fiber_group_wait(&group);
	for (size_t i = 0; i < ARRAY_LEN(w); i++)
		CHECK(run, w[i].code == 11);
	CHECK(run, agent_remove(run, "c1") == 0);
}

/* The first container lends its pid namespace; the second is not PID 1 there. */
static void shared_pid_namespace(struct agent_run *run)
{
	static const char *const pause[] = { "sleep", "100", NULL };
	static const char *const show[] = { "sh", "-c", "cat /proc/1/cmdline; exit $$", NULL };
	const struct agent_container first = { .id = "c1", .args = pause, .sandbox_pidns = true };
	const struct agent_container second = { .id = "c2", .args = show, .sandbox_pidns = true };
	auto_buf struct buf out = BUF_INIT;
	int code;

	CHECK(run, agent_create(run, &first) == 0);
	CHECK(run, agent_start(run, "c1") == 0);
	CHECK(run, agent_create(run, &second) == 0);
	CHECK(run, agent_start(run, "c2") == 0);
	CHECK(run, agent_read_all(run, "ReadStdout", "c2", "", &out) == 0);
	CHECK(run, out.len == 10 && memcmp(out.data, "sleep\000100", 10) == 0);
	CHECK(run, agent_wait(run, "c2", "", &code) == 0 && code > 1);
	CHECK(run, agent_remove(run, "c2") == 0);
	CHECK(run, agent_remove(run, "c1") == 0);
}

/* Orphans of an exec land with the agent where the pid namespace is not the container's own. */
static void nothing_accumulates(struct agent_run *run)
{
	struct deadline closed;
	unsigned before = 0;

	for (int i = 0; i < 30; i++) {
		auto_free char *id = xasprintf("c%d", i + 10);
		auto_buf struct buf out = BUF_INIT;
		int code = -1;

		CHECK(run, agent_output(run, id, "sleep 100 & echo ok", &out, &code) == 0);
		CHECK(run, code == 0 && TEXT_IS(out, "ok\n"));
		if (i == 2)
			before = agent_open_fds(run);
	}
	closed = deadline_in_ms(PATIENCE_MS);
	/* Those of the last one are closed a moment after its answer; none is, of what is lost. */
	while (agent_open_fds(run) > before && !deadline_passed(closed))
		CHECK(run, fiber_sleep_ms(10, &run->e) == 0);
	CHECK(run, agent_open_fds(run) <= before);
}

static int simple_call(struct agent_run *run, const char *method, const char *id)
{
	const ProtobufCMethodDescriptor *md =
		protobuf_c_service_descriptor_get_method_by_name(&grpc__agent_service__descriptor,
								 method);
	Grpc__PauseContainerRequest req; /* the others have the same one field */

	protobuf_c_message_init(md->input, &req);
	req.container_id = (char *)(uintptr_t)id;
	return agent_call(run, method, &req, NULL);
}

/* The freezer is part of cgroup v2 itself, so a machine without its controllers has it too. */
static void pause_and_resume(struct agent_run *run)
{
	static const char *const sleeper[] = { "sleep", "100", NULL };
	const struct agent_container created = { .id = "c1", .args = sleeper };
	Grpc__StatsContainerRequest stats;
	Grpc__StatsContainerResponse *resp;
	int code;

	/* One that was only created is that again afterwards. */
	CHECK(run, agent_create(run, &created) == 0);
	CHECK(run, simple_call(run, "PauseContainer", "c1") == 0);
	CHECK_ERR(run, agent_start(run, "c1"), ERR_STATE, "paused");
	CHECK(run, simple_call(run, "ResumeContainer", "c1") == 0);
	CHECK(run, agent_start(run, "c1") == 0);
	CHECK_ERR(run, simple_call(run, "ResumeContainer", "c1"), ERR_STATE, "running");
	CHECK(run, simple_call(run, "PauseContainer", "c1") == 0);
	CHECK_ERR(run, simple_call(run, "PauseContainer", "c1"), ERR_STATE, "paused");
	CHECK_ERR(run, agent_exec(run, "c1", "e1", "true"), ERR_STATE, "paused");
	CHECK(run, simple_call(run, "ResumeContainer", "c1") == 0);
	CHECK(run, agent_exec(run, "c1", "e1", "exit 3") == 0);
	CHECK(run, agent_wait(run, "c1", "e1", &code) == 0 && code == 3);
	grpc__stats_container_request__init(&stats);
	stats.container_id = (char *)(uintptr_t) "c1";
	CHECK(run, agent_call(run, "StatsContainer", &stats, &resp) == 0);
	CHECK(run, resp->cgroup_stats != NULL);
	grpc__stats_container_response__free_unpacked(resp, NULL);
	/* A frozen one can be killed. */
	CHECK(run, simple_call(run, "PauseContainer", "c1") == 0);
	CHECK(run, agent_signal(run, "c1", "", SIGKILL) == 0);
	CHECK(run, agent_wait(run, "c1", "", &code) == 0 && code == 137);
	CHECK(run, agent_remove(run, "c1") == 0);
}

/* The agent is asked to end: its containers end with it. */
static void ended_by_signal(struct agent_run *run)
{
	int code;

	CHECK(run, agent_run_script(run, "c1", "sleep 100") == 0);
	CHECK(run, child_kill(run->agent, SIGTERM, &run->e) == 0);
	CHECK(run, child_wait(run->agent, SECONDS(60), &code, &run->e) == 0);
	CHECK(run, code == 0);
	rpc_client_free(run->client);
	run->client = NULL;
	CHECK(run, access(run->socket, F_OK) < 0);
}

/* DESIGN.md 5: at most 4 MB with one container, here after it has moved data. */
static void memory(struct agent_run *run)
{
	auto_free char *path = xasprintf("/proc/%d/smaps_rollup", (int)child_pid(run->agent));
	auto_buf struct buf out = BUF_INIT;
	auto_free char *text = NULL;
	const char *line;
	long kib = 0;

	CHECK(run, agent_run_script(run, "c1", "seq 1 200000; read x") == 0);
	while (out.len < 1288895) {
		auto_free char *data = NULL;
		size_t len;

		CHECK(run, agent_read(run, "ReadStdout", "c1", "", 1u << 20, &data, &len) == 0);
		buf_add(&out, data, len);
	}
	CHECK(run, file_read(AT_FDCWD, path, 1u << 16, &text, NULL, &run->e) == 0);
	line = strstr(text, "\nPss:");
	CHECK(run, line != NULL);
	kib = strtol(line + strlen("\nPss:"), NULL, 10);
	print_message("PSS of the agent with one container: %ld KiB\n", kib);
#ifndef __SANITIZE_ADDRESS__
	CHECK(run, kib > 0 && kib <= 4096);
#endif
	CHECK(run, agent_remove(run, "c1") == 0);
}

static void second_sandbox(struct agent_run *run)
{
	Grpc__CreateSandboxRequest req;

	grpc__create_sandbox_request__init(&req);
	req.sandbox_id = (char *)(uintptr_t) "sandbox-2";
	CHECK_ERR(run, agent_call(run, "CreateSandbox", &req, NULL), ERR_STATE, "already");
}

AGENT_TEST(health)
AGENT_TEST(guest_details)
AGENT_TEST(refused)
AGENT_TEST(output_and_code)
AGENT_TEST(exec_process)
AGENT_TEST(signals)
AGENT_TEST(signal_number)
AGENT_TEST(created)
AGENT_TEST(dies_while_being_created)
AGENT_TEST(large_watched_volume)
AGENT_TEST(bad_requests)
AGENT_TEST(many_waiters)
AGENT_TEST(shared_pid_namespace)
AGENT_TEST(nothing_accumulates)
AGENT_TEST(pause_and_resume)
AGENT_TEST(ended_by_signal)
AGENT_TEST(memory)
AGENT_TEST(second_sandbox)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_health),
		cmocka_unit_test(test_guest_details),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_output_and_code),
		cmocka_unit_test(test_exec_process),
		cmocka_unit_test(test_signals),
		cmocka_unit_test(test_signal_number),
		cmocka_unit_test(test_created),
		cmocka_unit_test(test_dies_while_being_created),
		cmocka_unit_test(test_large_watched_volume),
		cmocka_unit_test(test_bad_requests),
		cmocka_unit_test(test_many_waiters),
		cmocka_unit_test(test_shared_pid_namespace),
		cmocka_unit_test(test_nothing_accumulates),
		cmocka_unit_test(test_pause_and_resume),
		cmocka_unit_test(test_ended_by_signal),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_second_sandbox),
	};

	if (agent_tests_skipped())
		return AGENT_SKIPPED;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
