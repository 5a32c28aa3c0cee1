/* SPDX-License-Identifier: Apache-2.0 */
/* The task service with a client and a taker of events; see task_harness.h. */
#include "tests/component/task_harness.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent.pb-c.h"
#include "cgroups_v1.pb-c.h"
#include "cgroups_v2.pb-c.h"
#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "common/net/unix.h"
#include "common/rpc/server.h"
#include "common/rpc/status.h"
#include "event_forward.pb-c.h"
#include "events.pb-c.h"
#include "proto/any.h"
#include "shim/agent/agent.h"
#include "status.pb-c.h"

struct harness harness;

static const char config_format[] =
	"{\"ociVersion\":\"1.0.2\",\"process\":{\"user\":{\"uid\":0,\"gid\":0},"
	"\"args\":[\"true\"],\"cwd\":\"/\"},\"root\":{\"path\":\"rootfs\"},\"linux\":{},"
	"\"annotations\":{%s%s%s}}";

static void write_file(const char *path, const char *text)
{
	auto_close int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || write_all(fd, text, strlen(text)) < 0)
		abort();
}

void harness_bundle(const char *id, char ret[static 128])
{
	const char *type = harness.container_type;
	char path[160], config[512];

	(void)snprintf(ret, 128, "%s/bundle-%.40s", harness.dir, id);
	if (mkdir(ret, 0700) == 0) {
		(void)snprintf(path, sizeof(path), "%s/config.json", ret);
		(void)snprintf(config, sizeof(config), config_format,
			       type ? "\"io.kubernetes.cri.container-type\":\"" : "",
			       type ? type : "", type ? "\"" : "");
		write_file(path, config);
	}
}

/* ---- containerd's side of events ---- */

static void add_event(const char *what, const char *id, const char *process, int64_t status)
{
	size_t len = strlen(harness.events);
	char *to = harness.events + len;
	size_t room = sizeof(harness.events) - len;

	if (status >= 0)
		(void)snprintf(to, room, "%s %s %s %lld;", what, id, process, (long long)status);
	else
		(void)snprintf(to, room, "%s %s%s%s;", what, id, process[0] ? " " : "", process);
}

/* Shown by every `ctr events`; a program finds the rest in its detail. */
static void on_sandbox_died(const char *topic, const Google__Rpc__Status *status)
{
	Google__Rpc__ErrorInfo *info;
	size_t n;

	assert_string_equal(topic, "/husk/sandbox-died");
	assert_int_equal(status->code, RPC_UNAVAILABLE);
	assert_int_equal(status->n_details, 1);
	assert_string_equal(status->details[0]->type_url,
			    "type.googleapis.com/google.rpc.ErrorInfo");
	info = any_unpack(status->details[0], &google__rpc__error_info__descriptor);
	assert_non_null(info);
	assert_string_equal(info->domain, "io.containerd.husk.v2");
	(void)snprintf(harness.died, sizeof(harness.died), "%s|%s|", status->message, info->reason);
	for (size_t i = 0; i < info->n_metadata; i++) {
		n = strlen(harness.died);
		(void)snprintf(harness.died + n, sizeof(harness.died) - n, "%s%s=%s", i ? " " : "",
			       info->metadata[i]->key, info->metadata[i]->value);
	}
	google__rpc__error_info__free_unpacked(info, NULL);
	add_event("died", "", "", -1);
}

static int on_forward(const struct rpc_call *call, const void *request, void *response,
		      struct err *e)
{
	const Containerd__Services__Events__Ttrpc__V1__ForwardRequest *req = request;
	const Containerd__Types__Envelope *env = req->envelope;
	const Google__Protobuf__Any *any = env->event;
	Containerd__Events__TaskExit *gone;
	Containerd__Events__TaskStart *start;
	Google__Rpc__Status *died;

	(void)response;
	(void)e;
	assert_string_equal(call->ns, "testing");
	assert_string_equal(env->namespace_, "testing");
	assert_non_null(env->timestamp);
	/* Trap 17: containerd 1.6 knows the bare name only. */
	assert_null(strchr(any->type_url, '/'));

	gone = any_unpack(any, &containerd__events__task_exit__descriptor);
	start = any_unpack(any, &containerd__events__task_start__descriptor);
	died = any_unpack(any, &google__rpc__status__descriptor);
	if (gone) {
		assert_string_equal(env->topic, "/tasks/exit");
		assert_non_null(gone->exited_at);
		assert_int_equal(gone->pid, FAKE_VMM_PID);
		add_event("exit", gone->container_id, gone->id, gone->exit_status);
		containerd__events__task_exit__free_unpacked(gone, NULL);
	} else if (start) {
		assert_string_equal(env->topic, "/tasks/start");
		assert_int_equal(start->pid, FAKE_VMM_PID);
		add_event("start", start->container_id, "", -1);
		containerd__events__task_start__free_unpacked(start, NULL);
	} else if (died) {
		on_sandbox_died(env->topic, died);
		google__rpc__status__free_unpacked(died, NULL);
	} else if (strncmp(env->topic, "/tasks/exec-", 12) == 0) {
		Containerd__Events__TaskExecAdded *exec =
			containerd__events__task_exec_added__unpack(NULL, any->value.len,
								    any->value.data);

		assert_non_null(exec);
		add_event(env->topic + 7, exec->container_id, exec->exec_id, -1);
		containerd__events__task_exec_added__free_unpacked(exec, NULL);
	} else {
		/* All others begin with the container's id. */
		Containerd__Events__TaskOOM *ev =
			containerd__events__task_oom__unpack(NULL, any->value.len, any->value.data);

		assert_non_null(ev);
		add_event(env->topic + 7, ev->container_id, "", -1);
		containerd__events__task_oom__free_unpacked(ev, NULL);
	}
	return 0;
}

static const struct rpc_method events_methods[] = { { "Forward", on_forward, 0 } };
static const struct rpc_service events_service = {
	.desc = &containerd__services__events__ttrpc__v1__events__descriptor,
	.methods = events_methods,
	.n_methods = 1,
};
static const struct rpc_service *const events_table[] = { &events_service };
static struct io *events_connection;

static void take_events(void *arg)
{
	(void)arg;
	for (;;) {
		struct err e = ERR_INIT;
		int fd = io_accept(harness.events_listener, DEADLINE_NEVER, &e);

		if (fd < 0)
			return;
		events_connection = io_consume(fd, &e);
		rpc_serve(events_connection, events_table, 1);
		events_connection = NULL;
	}
}

static struct fiber_group events_fibers;

void harness_events_open(void)
{
	auto_free char *path = xasprintf("%s/events.sock", harness.dir);
	struct err e = ERR_INIT;
	int fd = unix_listen(path, &e);

	assert_true(fd >= 0);
	harness.events_listener = io_consume(fd, &e);
	fiber_group_start(&events_fibers, "events", take_events, NULL);
}

void harness_events_close(void)
{
	auto_free char *path = xasprintf("%s/events.sock", harness.dir);

	(void)unlink(path);
	io_shutdown(harness.events_listener);
	if (events_connection)
		io_shutdown(events_connection);
	fiber_group_wait(&events_fibers);
	io_free(take_ptr(harness.events_listener));
}

void harness_expect_events(const char *want)
{
	assert_int_equal(publisher_flush(harness.publisher, deadline_in_ms(PATIENCE_MS)), 0);
	assert_string_equal(harness.events, want);
}

/* ---- the connection to the service ---- */

static void serve(void *arg)
{
	const struct rpc_service *const *tasks;
	const struct rpc_service *table[4];
	size_t n;

	tasks = task_service_table(harness.service, &n);
	memcpy(table, tasks, n * sizeof(tasks[0]));
	table[n++] = sandbox_service_rpc(harness.sandboxes);
	rpc_serve(arg, table, n);
}

struct rpc_client *harness_connect(void)
{
	struct err e = ERR_INIT;
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		abort();
	fiber_group_start(&harness.fibers, "connection", serve, io_consume(fds[0], &e));
	return rpc_client_new(io_consume(fds[1], &e), "shim");
}

void harness_open(bool events_later)
{
	auto_free char *config = NULL, *events = NULL, *text = NULL;

	memset(&harness, 0, sizeof(harness));
	(void)snprintf(harness.dir, sizeof(harness.dir), "/tmp/husk-task-XXXXXX");
	if (!mkdtemp(harness.dir))
		abort();
	config = xasprintf("%s/configuration.toml", harness.dir);
	events = xasprintf("%s/events.sock", harness.dir);
	text = xasprintf("[runtime]\nstate_dir = \"%s\"\n", harness.dir);
	write_file(config, text);
	if (setenv("HUSK_CONF_FILE", config, 1) < 0)
		abort();
	fake_reset();
	events_fibers = FIBER_GROUP_INIT;
	if (!events_later)
		harness_events_open();
	harness.publisher = publisher_new(events, "testing");
	harness.service = task_service_new(&(struct task_service_params){
		.ns = "testing",
		.sandbox_id = "sandbox",
		.publisher = harness.publisher,
	});
	harness.sandboxes = sandbox_service_new(harness.service);
	harness.client = harness_connect();
}

void harness_close(void)
{
	struct err e = ERR_INIT;

	rpc_client_free(harness.client);
	fiber_group_wait(&harness.fibers);
	sandbox_service_free(harness.sandboxes);
	task_service_free(harness.service);
	publisher_free(harness.publisher);
	if (harness.events_listener)
		harness_events_close();
	assert_int_equal(fake.held, 0);
	assert_int_equal(fake.streams_open, 0);
	assert_ok(path_remove_tree(AT_FDCWD, harness.dir, &e), &e);
}

/* ---- calls ---- */

static int call_on(struct rpc_client *client, const char *method, const void *req, void *ret_resp)
{
	harness.e = ERR_INIT;
	return rpc_call(client, &containerd__task__v2__task__descriptor, method, "testing", req,
			ret_resp, deadline_in_ms(PATIENCE_MS), &harness.e);
}

#define CALL(method, req, ret_resp) call_on(harness.client, method, req, ret_resp)

int task_create_with(const Containerd__Task__V2__CreateTaskRequest *req)
{
	Containerd__Task__V2__CreateTaskResponse *resp;

	if (CALL("Create", req, &resp) < 0)
		return -1;
	assert_int_equal(resp->pid, FAKE_VMM_PID);
	containerd__task__v2__create_task_response__free_unpacked(resp, NULL);
	return 0;
}

int task_create(const char *id)
{
	Containerd__Task__V2__CreateTaskRequest req;
	char bundle[128];

	harness_bundle(id, bundle);
	containerd__task__v2__create_task_request__init(&req);
	req.id = message_text(id);
	req.bundle = bundle;
	req.stdout = message_text("/fifo");
	return task_create_with(&req);
}

int task_start(const char *id, const char *exec_id)
{
	Containerd__Task__V2__StartRequest req;
	Containerd__Task__V2__StartResponse *resp;

	containerd__task__v2__start_request__init(&req);
	req.id = message_text(id);
	req.exec_id = message_text(exec_id);
	if (CALL("Start", &req, &resp) < 0)
		return -1;
	assert_int_equal(resp->pid, FAKE_VMM_PID);
	containerd__task__v2__start_response__free_unpacked(resp, NULL);
	return 0;
}

int task_kill(const char *id, const char *exec_id, uint32_t signal, bool all)
{
	Containerd__Task__V2__KillRequest req;

	containerd__task__v2__kill_request__init(&req);
	req.id = message_text(id);
	req.exec_id = message_text(exec_id);
	req.signal = signal;
	req.all = all;
	return CALL("Kill", &req, NULL);
}

int task_exec(const char *id, const char *exec_id, bool terminal)
{
	static const char json[] =
		"{\"user\":{\"uid\":0,\"gid\":0},\"args\":[\"sh\"],\"cwd\":\"/\"}";
	Google__Protobuf__Any *spec =
		any_new("types.containerd.io/opencontainers/runtime-spec/1/Process", json,
			strlen(json));
	Containerd__Task__V2__ExecProcessRequest req;
	int result;

	containerd__task__v2__exec_process_request__init(&req);
	req.id = message_text(id);
	req.exec_id = message_text(exec_id);
	req.terminal = terminal;
	req.spec = spec;
	result = CALL("Exec", &req, NULL);
	google__protobuf__any__free_unpacked(spec, NULL);
	return result;
}

int task_wait(const char *id, const char *exec_id, uint32_t *ret_status)
{
	Containerd__Task__V2__WaitRequest req;
	Containerd__Task__V2__WaitResponse *resp;

	containerd__task__v2__wait_request__init(&req);
	req.id = message_text(id);
	req.exec_id = message_text(exec_id);
	if (CALL("Wait", &req, &resp) < 0)
		return -1;
	*ret_status = resp->exit_status;
	assert_non_null(resp->exited_at);
	containerd__task__v2__wait_response__free_unpacked(resp, NULL);
	return 0;
}

int task_delete(const char *id, const char *exec_id, uint32_t *ret_status)
{
	Containerd__Task__V2__DeleteRequest req;
	Containerd__Task__V2__DeleteResponse *resp;

	containerd__task__v2__delete_request__init(&req);
	req.id = message_text(id);
	req.exec_id = message_text(exec_id);
	if (CALL("Delete", &req, &resp) < 0)
		return -1;
	*ret_status = resp->exit_status;
	assert_int_equal(resp->pid, FAKE_VMM_PID);
	assert_non_null(resp->exited_at);
	containerd__task__v2__delete_response__free_unpacked(resp, NULL);
	return 0;
}

int task_shutdown(bool now)
{
	Containerd__Task__V2__ShutdownRequest req;

	containerd__task__v2__shutdown_request__init(&req);
	req.now = now;
	return CALL("Shutdown", &req, NULL);
}

int task_pause(const char *id)
{
	Containerd__Task__V2__PauseRequest req;

	containerd__task__v2__pause_request__init(&req);
	req.id = message_text(id);
	return CALL("Pause", &req, NULL);
}

int task_resume(const char *id)
{
	Containerd__Task__V2__ResumeRequest req;

	containerd__task__v2__resume_request__init(&req);
	req.id = message_text(id);
	return CALL("Resume", &req, NULL);
}

int task_resize(const char *id, const char *exec_id, uint32_t width, uint32_t height)
{
	Containerd__Task__V2__ResizePtyRequest req;

	containerd__task__v2__resize_pty_request__init(&req);
	req.id = message_text(id);
	req.exec_id = message_text(exec_id);
	req.width = width;
	req.height = height;
	return CALL("ResizePty", &req, NULL);
}

int task_close_io(const char *id, const char *exec_id)
{
	Containerd__Task__V2__CloseIORequest req;

	containerd__task__v2__close_iorequest__init(&req);
	req.id = message_text(id);
	req.exec_id = message_text(exec_id);
	req.stdin = true;
	return CALL("CloseIO", &req, NULL);
}

int task_stats(const char *id, uint64_t *ret_pids)
{
	Containerd__Task__V2__StatsRequest req;
	Containerd__Task__V2__StatsResponse *resp;
	Io__Containerd__Cgroups__V1__Metrics *v1;
	Io__Containerd__Cgroups__V2__Metrics *v2;

	containerd__task__v2__stats_request__init(&req);
	req.id = message_text(id);
	if (CALL("Stats", &req, &resp) < 0)
		return -1;
	v1 = any_unpack(resp->stats, &io__containerd__cgroups__v1__metrics__descriptor);
	v2 = any_unpack(resp->stats, &io__containerd__cgroups__v2__metrics__descriptor);
	assert_true(v1 || v2);
	*ret_pids = v1 ? v1->pids->current : v2->pids->current;
	if (v1)
		io__containerd__cgroups__v1__metrics__free_unpacked(v1, NULL);
	if (v2)
		io__containerd__cgroups__v2__metrics__free_unpacked(v2, NULL);
	containerd__task__v2__stats_response__free_unpacked(resp, NULL);
	return 0;
}

int task_status(const char *id, const char *exec_id)
{
	Containerd__Task__V2__StateRequest req;
	Containerd__Task__V2__StateResponse *resp;
	int status;

	containerd__task__v2__state_request__init(&req);
	req.id = message_text(id);
	req.exec_id = message_text(exec_id);
	if (CALL("State", &req, &resp) < 0)
		return -1;
	status = (int)resp->status;
	assert_string_equal(resp->id, id);
	assert_string_equal(resp->exec_id, exec_id);
	assert_int_equal(resp->pid, FAKE_VMM_PID);
	assert_int_equal(resp->exited_at != NULL, status == STATUS_STOPPED);
	containerd__task__v2__state_response__free_unpacked(resp, NULL);
	return status;
}
