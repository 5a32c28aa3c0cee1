/* SPDX-License-Identifier: Apache-2.0 */
/* Exec: note another process for a running container. Start is what runs it. */
#include <string.h>

#include "common/base/id.h"
#include "proto/any.h"
#include "shim/events/task_events.h"
#include "shim/task/container.h"
#include "shim/task/handlers.h"

#define PROCESS_TYPE "types.containerd.io/opencontainers/runtime-spec/1/Process"
#define SPEC_MAX     (1u << 20) /* bytes of JSON: arguments and environment fit Linux's limits */
#define EXECS_MAX    1024       /* of one container, ended and not deleted ones included */

static int parse_spec(const Google__Protobuf__Any *any, struct oci_process **ret, struct err *e)
{
	if (!any || !any_is(any, PROCESS_TYPE))
		return err_set(e, ERR_INVALID, "process of type '%.100s', expected " PROCESS_TYPE,
			       any ? any->type_url : "");
	if (any->value.len > SPEC_MAX)
		return err_set(e, ERR_INVALID, "process of %zu bytes, the limit is %u",
			       any->value.len, SPEC_MAX);
	return oci_process_parse((const char *)any->value.data, any->value.len, ret, e);
}

static int exec(struct container *c, const Containerd__Task__V2__ExecProcessRequest *req,
		struct err *e)
{
	auto_oci_process struct oci_process *spec = NULL;
	struct process *p;
	struct agent *agent;

	if (container_agent(c, &agent, e) < 0)
		return -1;
	if (id_check("exec id", req->exec_id, e) < 0)
		return -1;
	if (container_find_exec(c, req->exec_id))
		return err_set(e, ERR_EXISTS, "it already exists");
	if (HASH_COUNT(c->execs) >= EXECS_MAX)
		return err_set(e, ERR_EXHAUSTED, "there are %d already", EXECS_MAX);
	if (parse_spec(req->spec, &spec, e) < 0)
		return -1;
	spec->terminal = req->terminal;

	p = container_add_exec(c, req->exec_id);
	p->spec = take_ptr(spec);
	process_set_streams(p, req->stdin, req->stdout, req->stderr, req->terminal);
	process_set_state(p, PROCESS_CREATED);
	event_task_exec_added(c->service->publisher, c->id, p->exec_id);
	return 0;
}

int on_exec(const struct rpc_call *call, const void *request, void *response, struct err *e)
{
	const Containerd__Task__V2__ExecProcessRequest *req = request;
	struct process *init = call->target;

	(void)response;
	if (exec(init->container, req, e) < 0)
		return err_wrap(e, "exec '%.100s' in '%s'", req->exec_id, req->id);
	return 0;
}
