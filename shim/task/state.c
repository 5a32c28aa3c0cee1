/* SPDX-License-Identifier: Apache-2.0 */
/* State and Pids: what is known of a process, answered without asking the guest. */
#include "common/base/mem.h"
#include "shim/task/container.h"
#include "shim/task/handlers.h"

Google__Protobuf__Timestamp *timestamp_new(struct timespec at)
{
	Google__Protobuf__Timestamp *ts = xnew(Google__Protobuf__Timestamp);

	google__protobuf__timestamp__init(ts);
	ts->seconds = at.tv_sec;
	ts->nanos = (int32_t)at.tv_nsec;
	return ts;
}

static Containerd__V1__Types__Status status_of(enum process_state state)
{
	switch (state) {
	case PROCESS_CREATING:
		break;
	case PROCESS_CREATED:
	case PROCESS_STARTING:
		return CONTAINERD__V1__TYPES__STATUS__CREATED;
	case PROCESS_RUNNING:
		return CONTAINERD__V1__TYPES__STATUS__RUNNING;
	case PROCESS_PAUSED:
		return CONTAINERD__V1__TYPES__STATUS__PAUSED;
	case PROCESS_STOPPED:
		return CONTAINERD__V1__TYPES__STATUS__STOPPED;
	}
	return CONTAINERD__V1__TYPES__STATUS__UNKNOWN;
}

int on_state(const struct rpc_call *call, const void *request, void *response, struct err *e)
{
	Containerd__Task__V2__StateResponse *resp = response;
	const struct process *p = call->target;

	(void)request;
	(void)e;
	resp->id = xstrdup(p->container->id);
	resp->bundle = xstrdup(p->container->bundle);
	resp->pid = (uint32_t)service_pid(p->container->service);
	resp->status = status_of(p->state);
	resp->stdin = xstrdup(p->stdin_uri);
	resp->stdout = xstrdup(p->stdout_uri);
	resp->stderr = xstrdup(p->stderr_uri);
	resp->terminal = p->terminal;
	resp->exec_id = xstrdup(p->exec_id);
	if (p->state == PROCESS_STOPPED) {
		resp->exit_status = p->exit_status;
		resp->exited_at = timestamp_new(p->exited_at);
	}
	return 0;
}

/* The processes are in the guest; on the host they are one, which every task reports as its pid. */
int on_pids(const struct rpc_call *call, const void *request, void *response, struct err *e)
{
	Containerd__Task__V2__PidsResponse *resp = response;
	Containerd__V1__Types__ProcessInfo *info = xnew(Containerd__V1__Types__ProcessInfo);

	(void)request;
	(void)e;
	containerd__v1__types__process_info__init(info);
	info->pid = (uint32_t)service_pid(call->self);
	resp->processes = xcalloc(1, sizeof(resp->processes[0]));
	resp->processes[0] = info;
	resp->n_processes = 1;
	return 0;
}
