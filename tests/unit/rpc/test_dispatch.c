/* SPDX-License-Identifier: Apache-2.0 */
/* From names and bytes to a handler: what is refused before one runs, and with which words. */
#include "tests/lib/test.h"

#include "common/base/mem.h"
#include "common/rpc/server.h"
#include "task.pb-c.h"

#define CREATED 2u
#define RUNNING 4u
#define STOPPED 8u

static uint32_t state;
static const char *handled;

static uint32_t target_of(void *self, const struct rpc_method *method, const void *req,
			  void **ret_target, const char **ret_state_name, struct err *e)
{
	(void)self;
	(void)method;
	(void)req;
	if (state == 0) {
		err_set(e, ERR_INVALID, "id '.' is not a valid identifier");
		return 0;
	}
	*ret_target = &state;
	*ret_state_name = state == STOPPED ? "stopped" : "created";
	return state;
}

static int on_any(const struct rpc_call *call, const void *req, void *resp, struct err *e)
{
	(void)req;
	(void)resp;
	(void)e;
	assert_ptr_equal(call->self, &handled);
	handled = call->method;
	assert_true(call->target == (strcmp(call->method, "Connect") == 0 ? NULL : &state));
	return 0;
}

static int on_pids(const struct rpc_call *call, const void *req, void *resp, struct err *e)
{
	(void)call;
	(void)req;
	(void)resp;
	return err_set(e, ERR_INTERNAL, "no pids today");
}

static const struct rpc_method methods[] = {
	{ "Create", on_any, RPC_ABSENT },
	{ "Kill", on_any, CREATED | RUNNING },
	{ "State", on_any, CREATED | RUNNING | STOPPED },
	{ "Wait", on_any, RUNNING | STOPPED | RPC_ENDS_WITH_PEER },
	{ "Connect", on_any, RPC_ENDS_WITH_PEER },
	{ "Pids", on_pids, 0 },
};

static const struct rpc_service task = {
	.name = "containerd.task.v3.Task",
	.desc = &containerd__task__v2__task__descriptor,
	.methods = methods,
	.n_methods = ARRAY_LEN(methods),
	.self = &handled,
	.target = target_of,
};
static const struct rpc_service *const services[] = { &task };

static int call(const char *service, const char *method, const uint8_t *bytes, size_t len,
		struct err *e)
{
	uint8_t *resp = NULL;
	size_t resp_len = 77;
	int r;

	handled = NULL;
	r = rpc_dispatch(services, ARRAY_LEN(services), service, method, bytes, len, &resp,
			 &resp_len, e);
	if (r == 0)
		assert_int_equal(resp_len, 0);
	free(resp);
	return r;
}

/* Every method in every state. */
static void test_states(void **unused)
{
	static const struct {
		const char *method;
		uint32_t state;
		enum err_code want; /* ERR_NONE: the handler runs */
		const char *text;
	} rows[] = {
		{ "Create", RPC_ABSENT, ERR_NONE, NULL },
		{ "Create", CREATED, ERR_EXISTS, "Create: 'c1' exec 'e1' already exists" },
		{ "Create", 0, ERR_INVALID, "Create: id '.' is not a valid identifier" },
		{ "Kill", RPC_ABSENT, ERR_NOT_FOUND, "Kill: 'c1' exec 'e1' not found" },
		{ "Kill", CREATED, ERR_NONE, NULL },
		{ "Kill", RUNNING, ERR_NONE, NULL },
		{ "Kill", STOPPED, ERR_STATE, "not possible while stopped" },
		{ "State", STOPPED, ERR_NONE, NULL },
		{ "Wait", CREATED, ERR_STATE, "not possible while created" },
		{ "Wait", STOPPED, ERR_NONE, NULL },
		{ "Connect", 0, ERR_NONE, NULL },
		{ "Pids", 0, ERR_INTERNAL, "no pids today" },
	};
	uint8_t id_and_exec_id[] = { 0x0a, 2, 'c', '1', 0x12, 2, 'e', '1' };

	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err e = ERR_INIT;
		/* Create has no exec_id: field 2 is its bundle. */
		bool create = strcmp(rows[i].method, "Create") == 0;
		const char *text = rows[i].text;

		if (create && rows[i].want == ERR_EXISTS)
			text = "Create: 'c1' already exists";
		state = rows[i].state;
		if (rows[i].want != ERR_NONE) {
			assert_err(call(task.name, rows[i].method, id_and_exec_id,
					sizeof(id_and_exec_id), &e),
				   &e, rows[i].want, text);
			assert_null(handled);
		} else {
			assert_ok(call(task.name, rows[i].method, id_and_exec_id,
				       sizeof(id_and_exec_id), &e),
				  &e);
			assert_string_equal(handled, rows[i].method);
		}
	}
}

static void test_unknown_names(void **unused)
{
	static const struct {
		const char *service, *method, *text;
	} rows[] = {
		{ "containerd.task.v2.Task", "Kill", "no service 'containerd.task.v2.Task'" },
		{ "", "Kill", "no service ''" },
		{ "containerd.task.v3.Tas", "Kill", "no service" },
		{ "containerd.task.v3.Task", "kill", "has no method 'kill'" },
		{ "containerd.task.v3.Task", "Kil", "has no method 'Kil'" },
		{ "containerd.task.v3.Task", "", "has no method ''" },
		{ "containerd.task.v3.Task", "Shutdown", "has no method 'Shutdown'" }, /* no row */
	};

	(void)unused;
	state = RUNNING;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err e = ERR_INIT;

		assert_err(call(rows[i].service, rows[i].method, NULL, 0, &e), &e, ERR_UNSUPPORTED,
			   rows[i].text);
	}
}

static void test_bad_bytes(void **unused)
{
	static const struct {
		uint8_t bytes[6];
		size_t len;
	} rows[] = {
		{ { 0x0a }, 1 },             /* a length is missing */
		{ { 0x0a, 5, 'x' }, 3 },     /* shorter than it says */
		{ { 0x08, 1 }, 2 },          /* id as a number */
		{ { 0x0b, 0x0c }, 2 },       /* a group */
		{ { 0x0a, 0xff, 0xff }, 3 }, /* an endless varint */
	};

	(void)unused;
	state = RUNNING;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err e = ERR_INIT;

		assert_err(call(task.name, "Kill", rows[i].bytes, rows[i].len, &e), &e, ERR_INVALID,
			   "no KillRequest");
		assert_null(handled);
	}
}

static void test_service_check(void **unused)
{
	static struct rpc_method all[64];
	struct rpc_service s = task;
	struct err e = ERR_INIT;
	size_t n = s.desc->n_methods;

	(void)unused;
	assert_in_range(n, 2, ARRAY_LEN(all) - 1);
	for (size_t i = 0; i < n; i++)
		all[i] = (struct rpc_method){ s.desc->methods[i].name, on_any, 0 };
	s.methods = all;
	s.n_methods = n;
	assert_ok(rpc_service_check(&s, &e), &e);

	s.n_methods = n - 1;
	assert_err(rpc_service_check(&s, &e), &e, ERR_INTERNAL, "has no handler");
	s.n_methods = n + 1;
	all[n] = (struct rpc_method){ "Explode", on_any, 0 };
	assert_err(rpc_service_check(&s, &e), &e, ERR_INTERNAL, "has no method 'Explode'");
	all[n] = all[0];
	assert_err(rpc_service_check(&s, &e), &e, ERR_INTERNAL, "has two handlers");
	s.n_methods = n;
	s.target = NULL;
	all[0].when = RPC_ENDS_WITH_PEER;
	assert_ok(rpc_service_check(&s, &e), &e);
	all[0].when = RUNNING;
	assert_err(rpc_service_check(&s, &e), &e, ERR_INTERNAL, "no way to ask");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_states),
		cmocka_unit_test(test_unknown_names),
		cmocka_unit_test(test_bad_bytes),
		cmocka_unit_test(test_service_check),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
