/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long a running shim takes to answer, asked over one connection, one call at a time:
 *
 *      shim_bench calls SHIM CONTAINER N           State, Kill(0), Connect
 *      shim_bench exec SHIM CONTAINER N [AGENT]    a process `true`: Exec, Start, Wait, Delete
 *
 * SHIM and AGENT are addresses as common/net/transport.h reads them. With AGENT the same process is
 * started N times more, in turn with the others, by ExecProcess and WaitProcess on a second connection
 * to the same agent in the same machine: what there is to pay without a shim.
 *
 * One line for each kind of call: name n=… p50_us=… p99_us=… max_us=…
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent.pb-c.h"
#include "common/async/fiber.h"
#include "common/base/mem.h"
#include "common/base/num.h"
#include "common/net/transport.h"
#include "common/rpc/client.h"
#include "task.pb-c.h"

#define NAMESPACE  "default"
#define CALLS_MAX  1000000u
#define WARM_UP    10u /* calls that are made but not counted */
#define TIMEOUT_MS 30000
#define SPEC_TYPE  "types.containerd.io/opencontainers/runtime-spec/1/Process"
#define TASK       (&containerd__task__v2__task__descriptor)
#define AGENT      (&grpc__agent_service__descriptor)
#define TRUE_AS_OCI                                                                         \
	"{\"user\":{\"uid\":0,\"gid\":0},\"args\":[\"/bin/true\"],\"env\":[\"PATH=/bin\"]," \
	"\"cwd\":\"/\"}"

struct bench {
	const char *mode, *shim, *container, *agent;
	uint32_t n;
	struct rpc_client *to_shim, *to_agent; /* to_agent: NULL without AGENT */
	uint64_t execs;                        /* for names that were not used yet */
	struct err e;
	int exit_code;
};

/* Generated structs have `char *` members for text that packing only reads. */
static char *text(const char *s)
{
	return (char *)(uintptr_t)s;
}

static int call_shim(struct bench *b, const char *method, const void *req, void *ret_resp)
{
	return rpc_call(b->to_shim, TASK, method, NAMESPACE, req, ret_resp,
			deadline_in_ms(TIMEOUT_MS), &b->e);
}

/* ---- One call of each kind ---- */

static int call_state(struct bench *b)
{
	Containerd__Task__V2__StateRequest req;

	containerd__task__v2__state_request__init(&req);
	req.id = text(b->container);
	return call_shim(b, "State", &req, NULL);
}

static int call_kill_0(struct bench *b)
{
	Containerd__Task__V2__KillRequest req;

	containerd__task__v2__kill_request__init(&req);
	req.id = text(b->container);
	return call_shim(b, "Kill", &req, NULL);
}

static int call_connect(struct bench *b)
{
	Containerd__Task__V2__ConnectRequest req;

	containerd__task__v2__connect_request__init(&req);
	req.id = text(b->container);
	return call_shim(b, "Connect", &req, NULL);
}

static int exec_wait(struct bench *b, const char *exec_id)
{
	Containerd__Task__V2__WaitRequest req;
	Containerd__Task__V2__WaitResponse *resp;
	uint32_t status;

	containerd__task__v2__wait_request__init(&req);
	req.id = text(b->container);
	req.exec_id = text(exec_id);
	if (call_shim(b, "Wait", &req, &resp) < 0)
		return -1;
	status = resp->exit_status;
	containerd__task__v2__wait_response__free_unpacked(resp, NULL);
	return status == 0 ? 0 : err_set(&b->e, ERR_INTERNAL, "true exits with %" PRIu32, status);
}

static int exec_by_shim(struct bench *b)
{
	auto_free char *exec_id = xasprintf("bench-%" PRIu64, b->execs++);
	Containerd__Task__V2__ExecProcessRequest exec;
	Containerd__Task__V2__StartRequest start;
	Containerd__Task__V2__DeleteRequest delete;
	Google__Protobuf__Any spec;

	google__protobuf__any__init(&spec);
	spec.type_url = text(SPEC_TYPE);
	spec.value.data = (uint8_t *)(uintptr_t)TRUE_AS_OCI;
	spec.value.len = strlen(TRUE_AS_OCI);
	containerd__task__v2__exec_process_request__init(&exec);
	containerd__task__v2__start_request__init(&start);
	containerd__task__v2__delete_request__init(&delete);
	exec.id = start.id = delete.id = text(b->container);
	exec.exec_id = start.exec_id = delete.exec_id = exec_id;
	exec.spec = &spec;
	if (call_shim(b, "Exec", &exec, NULL) < 0 || call_shim(b, "Start", &start, NULL) < 0 ||
	    exec_wait(b, exec_id) < 0)
		return -1;
	return call_shim(b, "Delete", &delete, NULL);
}

static int wait_by_agent(struct bench *b, const char *exec_id)
{
	Grpc__WaitProcessRequest req;
	Grpc__WaitProcessResponse *resp;
	int status;

	grpc__wait_process_request__init(&req);
	req.container_id = text(b->container);
	req.exec_id = text(exec_id);
	if (rpc_call(b->to_agent, AGENT, "WaitProcess", NULL, &req, &resp,
		     deadline_in_ms(TIMEOUT_MS), &b->e) < 0)
		return -1;
	status = resp->status;
	grpc__wait_process_response__free_unpacked(resp, NULL);
	return status == 0 ? 0 : err_set(&b->e, ERR_INTERNAL, "true exits with %d", status);
}

static int exec_by_agent(struct bench *b)
{
	static const char *const args[] = { "/bin/true" }, *const env[] = { "PATH=/bin" };
	auto_free char *exec_id = xasprintf("direct-%" PRIu64, b->execs++);
	Grpc__ExecProcessRequest req;
	Grpc__Process process;
	Grpc__User user;

	grpc__user__init(&user);
	grpc__process__init(&process);
	process.user = &user;
	process.args = (char **)(uintptr_t)args;
	process.n_args = ARRAY_LEN(args);
	process.env = (char **)(uintptr_t)env;
	process.n_env = ARRAY_LEN(env);
	process.cwd = text("/");
	grpc__exec_process_request__init(&req);
	req.container_id = text(b->container);
	req.exec_id = exec_id;
	req.process = &process;
	if (rpc_call(b->to_agent, AGENT, "ExecProcess", NULL, &req, NULL,
		     deadline_in_ms(TIMEOUT_MS), &b->e) < 0)
		return -1;
	return wait_by_agent(b, exec_id);
}

/* ---- Measuring ---- */

struct series {
	const char *name;
	int (*call)(struct bench *b);
	int64_t *ns;
};

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static void print_series(struct series *s, uint32_t n)
{
	qsort(s->ns, n, sizeof(*s->ns), compare);
	(void)printf("%s n=%" PRIu32 " p50_us=%.1f p99_us=%.1f max_us=%.1f\n", s->name, n,
		     (double)s->ns[n / 2] / 1e3, (double)s->ns[(uint64_t)n * 99 / 100] / 1e3,
		     (double)s->ns[n - 1] / 1e3);
}

/* In turn, so that what else the machine does falls on all of them alike. */
static int measure(struct bench *b, struct series *list, size_t n_list)
{
	for (size_t k = 0; k < n_list; k++)
		list[k].ns = xcalloc(b->n, sizeof(*list[k].ns));
	for (uint32_t i = 0; i < b->n + WARM_UP; i++) {
		for (size_t k = 0; k < n_list; k++) {
			int64_t began = clock_now_ns();

			if (list[k].call(b) < 0)
				return err_wrap(&b->e, "%s", list[k].name);
			if (i >= WARM_UP)
				list[k].ns[i - WARM_UP] = clock_now_ns() - began;
		}
	}
	for (size_t k = 0; k < n_list; k++)
		print_series(&list[k], b->n);
	return 0;
}

static struct rpc_client *connect_to(const char *uri, const char *peer, struct err *e)
{
	struct transport_address at;
	struct io *io;

	if (transport_parse(uri, &at, e) < 0)
		return NULL;
	io = transport_connect(&at, deadline_in_ms(TIMEOUT_MS), e);
	return io ? rpc_client_new(io, peer) : NULL;
}

static int bench(struct bench *b)
{
	struct series calls[] = { { .name = "State", .call = call_state },
				  { .name = "Kill0", .call = call_kill_0 },
				  { .name = "Connect", .call = call_connect } };
	struct series execs[] = { { .name = "exec-shim", .call = exec_by_shim },
				  { .name = "exec-agent", .call = exec_by_agent } };
	bool exec = strcmp(b->mode, "exec") == 0;
	struct series *list = exec ? execs : calls;
	size_t n_list = exec ? (b->agent ? 2 : 1) : ARRAY_LEN(calls);
	int result;

	b->to_shim = connect_to(b->shim, "shim", &b->e);
	if (!b->to_shim)
		return -1;
	if (b->agent && !(b->to_agent = connect_to(b->agent, "agent", &b->e)))
		return -1;
	result = measure(b, list, n_list);
	for (size_t k = 0; k < n_list; k++)
		free(list[k].ns);
	return result;
}

static void run(void *arg)
{
	struct bench *b = arg;

	if (bench(b) < 0) {
		(void)fprintf(stderr, "shim_bench: %s\n", b->e.text);
		b->exit_code = 1;
	}
	rpc_client_free(b->to_agent);
	rpc_client_free(b->to_shim);
}

int main(int argc, char **argv)
{
	struct bench b = { .e = ERR_INIT };

	if (argc < 5 || argc > 6 || !num_u32(argv[4], 10, &b.n) || b.n == 0 || b.n > CALLS_MAX ||
	    (strcmp(argv[1], "calls") != 0 && strcmp(argv[1], "exec") != 0)) {
		(void)fprintf(stderr, "usage: shim_bench calls SHIM CONTAINER N\n"
				      "       shim_bench exec SHIM CONTAINER N [AGENT]\n");
		return 2;
	}
	b.mode = argv[1];
	b.shim = argv[2];
	b.container = argv[3];
	b.agent = argc > 5 ? argv[5] : NULL;
	fiber_main(run, &b);
	return b.exit_code;
}
