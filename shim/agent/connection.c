/* SPDX-License-Identifier: Apache-2.0 */
/* The connection to the agent: made, asked whether anybody is there, ended; see connection.h. */
#include "shim/agent/connection.h"

#include <stdlib.h>

#include "common/base/mem.h"
#include "health.pb-c.h"

#define RETRY_MS        20 /* between two tries of a guest that accepts before its agent serves */
/* For the first answer on a connection, doubled with each try: a slow agent is not given up. */
#define FIRST_ANSWER_MS 2000

struct agent *agent_over(struct io *conn)
{
	struct agent *a = xnew(struct agent);

	a->client = rpc_client_new(conn, "agent");
	return a;
}

void agent_disconnect(struct agent *a)
{
	struct rpc_client *client = take_ptr(a->client);

	rpc_client_free(client);
}

void agent_free(struct agent *a)
{
	if (!a)
		return;
	agent_disconnect(a);
	while (a->n_calls > 0)
		(void)cond_wait_uncancellable(&a->left, DEADLINE_NEVER);
	strv_free(a->features);
	free(a);
}

/* After a call that was made with n_calls one higher. */
static int finish_call(struct agent *a, const char *method, int result, struct err *e)
{
	if (result < 0 && a->client)
		err_wrap(e, "agent: %s", method);
	else if (result < 0) /* it went while we waited: that says more than a closed connection */
		err_set(e, ERR_UNAVAILABLE, "agent: %s: the VM is gone", method);
	if (--a->n_calls == 0)
		cond_wake_all(&a->left);
	return result;
}

int agent_service_call(struct agent *a, const ProtobufCServiceDescriptor *service,
		       const char *method, const void *req, void *ret_resp, struct deadline d,
		       struct err *e)
{
	int result = -1;

	a->n_calls++;
	if (a->client)
		result = rpc_call(a->client, service, method, NULL, req, ret_resp, d, e);
	return finish_call(a, method, result, e);
}

int agent_call(struct agent *a, const char *method, const void *req, void *ret_resp,
	       struct deadline d, struct err *e)
{
	return agent_service_call(a, &grpc__agent_service__descriptor, method, req, ret_resp, d, e);
}

int agent_call_to_pipe(struct agent *a, const char *method, const void *req, void *ret_resp,
		       uint32_t field, int pipe, size_t *ret_piped, struct err *e)
{
	int result = -1;

	a->n_calls++;
	if (a->client)
		result = rpc_call_to_pipe(a->client, &grpc__agent_service__descriptor, method, req,
					  ret_resp, field, pipe, ret_piped, DEADLINE_NEVER, e);
	return finish_call(a, method, result, e);
}

void agent_set_vcpus(struct agent *a, uint32_t vcpus)
{
	if (a->client)
		rpc_client_gather(a->client, a->over_port && vcpus > 1);
}

static int check_serving(struct agent *a, struct deadline d, struct err *e)
{
	Grpc__CheckRequest req;
	Grpc__HealthCheckResponse *resp = NULL;
	int serving;

	grpc__check_request__init(&req);
	if (agent_service_call(a, &grpc__health__descriptor, "Check", &req, &resp, d, e) < 0)
		return -1;
	serving = resp->status == GRPC__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING;
	grpc__health_check_response__free_unpacked(resp, NULL);
	return serving ? 0 : err_set(e, ERR_UNAVAILABLE, "agent: Check: not serving yet");
}

struct agent *agent_connect(const struct transport_address *at, struct deadline d, struct err *e)
{
	const bool only_one = at->kind == TRANSPORT_SERIAL_STREAM;

	for (int64_t answer_ms = FIRST_ANSWER_MS;; answer_ms *= 2) {
		struct io *conn = transport_connect(at, d, e);
		struct agent *a;

		if (!conn)
			return NULL;
		a = agent_over(conn);
		a->over_port = only_one;
		if (check_serving(a, only_one ? d : deadline_min(d, deadline_in_ms(answer_ms)),
				  e) == 0)
			return a;
		agent_free(a);
		if (only_one)
			return NULL;
		/*
		 * A hybrid vsock may accept for a guest that is not listening yet, and then hang up; and a
		 * connection that carries nothing is no reason to wait for one that does until the end.
		 */
		if ((e->code != ERR_UNAVAILABLE && e->code != ERR_TIMEOUT) || deadline_passed(d))
			return NULL;
		if (fiber_sleep_until(deadline_min(d, deadline_in_ms(RETRY_MS)), e) < 0)
			return NULL;
	}
}
