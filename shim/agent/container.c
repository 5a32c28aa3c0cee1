/* SPDX-License-Identifier: Apache-2.0 */
/* Calls about one container or one process in it; standard streams are in stream.c. */
#include "shim/agent/connection.h"

#define EXIT_CODE_MAX 255 /* exit code, or 128 + signal */

int agent_create_container(struct agent *a, const Grpc__CreateContainerRequest *req,
			   struct deadline d, struct err *e)
{
	return agent_call(a, "CreateContainer", req, NULL, d, e);
}

int agent_start_container(struct agent *a, const char *id, struct deadline d, struct err *e)
{
	Grpc__StartContainerRequest req;

	grpc__start_container_request__init(&req);
	req.container_id = message_text(id);
	return agent_call(a, "StartContainer", &req, NULL, d, e);
}

int agent_remove_container(struct agent *a, const char *id, struct deadline d, struct err *e)
{
	Grpc__RemoveContainerRequest req;

	grpc__remove_container_request__init(&req);
	req.container_id = message_text(id);
	return agent_call(a, "RemoveContainer", &req, NULL, d, e);
}

int agent_exec_process(struct agent *a, const char *id, const char *exec_id, Grpc__Process *process,
		       struct deadline d, struct err *e)
{
	Grpc__ExecProcessRequest req;

	grpc__exec_process_request__init(&req);
	req.container_id = message_text(id);
	req.exec_id = message_text(exec_id);
	req.process = process;
	return agent_call(a, "ExecProcess", &req, NULL, d, e);
}

int agent_signal_process(struct agent *a, const char *id, const char *exec_id, uint32_t signal,
			 struct deadline d, struct err *e)
{
	Grpc__SignalProcessRequest req;

	grpc__signal_process_request__init(&req);
	req.container_id = message_text(id);
	req.exec_id = message_text(exec_id);
	req.signal = signal;
	return agent_call(a, "SignalProcess", &req, NULL, d, e);
}

int agent_wait_process(struct agent *a, const char *id, const char *exec_id, int *ret_status,
		       struct err *e)
{
	Grpc__WaitProcessRequest req;
	Grpc__WaitProcessResponse *resp = NULL;
	int status;

	grpc__wait_process_request__init(&req);
	req.container_id = message_text(id);
	req.exec_id = message_text(exec_id);
	if (agent_call(a, "WaitProcess", &req, &resp, DEADLINE_NEVER, e) < 0)
		return -1;
	status = resp->status;
	grpc__wait_process_response__free_unpacked(resp, NULL);
	if (status < 0 || status > EXIT_CODE_MAX)
		return err_set(e, ERR_INTERNAL, "agent: WaitProcess: %d is no exit code", status);
	*ret_status = status;
	return 0;
}

int agent_resize_tty(struct agent *a, const char *id, const char *exec_id, uint32_t rows,
		     uint32_t columns, struct deadline d, struct err *e)
{
	Grpc__TtyWinResizeRequest req;

	grpc__tty_win_resize_request__init(&req);
	req.container_id = message_text(id);
	req.exec_id = message_text(exec_id);
	req.row = rows;
	req.column = columns;
	return agent_call(a, "TtyWinResize", &req, NULL, d, e);
}

int agent_update_container(struct agent *a, const char *id, Grpc__LinuxResources *resources,
			   struct deadline d, struct err *e)
{
	Grpc__UpdateContainerRequest req;

	grpc__update_container_request__init(&req);
	req.container_id = message_text(id);
	req.resources = resources;
	return agent_call(a, "UpdateContainer", &req, NULL, d, e);
}

int agent_stats_container(struct agent *a, const char *id, Grpc__StatsContainerResponse **ret,
			  struct deadline d, struct err *e)
{
	Grpc__StatsContainerRequest req;

	grpc__stats_container_request__init(&req);
	req.container_id = message_text(id);
	return agent_call(a, "StatsContainer", &req, ret, d, e);
}

int agent_pause_container(struct agent *a, const char *id, struct deadline d, struct err *e)
{
	Grpc__PauseContainerRequest req;

	grpc__pause_container_request__init(&req);
	req.container_id = message_text(id);
	return agent_call(a, "PauseContainer", &req, NULL, d, e);
}

int agent_resume_container(struct agent *a, const char *id, struct deadline d, struct err *e)
{
	Grpc__ResumeContainerRequest req;

	grpc__resume_container_request__init(&req);
	req.container_id = message_text(id);
	return agent_call(a, "ResumeContainer", &req, NULL, d, e);
}
