/* SPDX-License-Identifier: Apache-2.0 */
/* Processes of a container: exec, signal, wait, window size. */
#include <signal.h>

#include "agent/process/terminal.h"
#include "agent/rpc/handlers.h"

#define EXEC_LIMIT_MS 60000

int find_process(const struct container *c, const char *exec_id, struct process **ret,
		 struct err *e)
{
	*ret = container_find_process(c, exec_id);
	if (!*ret)
		return err_set(e, ERR_NOT_FOUND, "Process not found: %s of container %s",
			       exec_id[0] ? exec_id : "init", c->id);
	return 0;
}

HANDLER(on_exec_process)
{
	const Grpc__ExecProcessRequest *exec = req;
	struct deadline d = deadline_min(call->deadline, deadline_in_ms(EXEC_LIMIT_MS));

	(void)resp;
	if (!exec->process)
		return err_set(e, ERR_INVALID, "there is no process to run");
	return container_exec(call->target, exec->exec_id, exec->process, d, e);
}

HANDLER(on_signal_process)
{
	const Grpc__SignalProcessRequest *signal_req = req;
	struct container *c = call->target;
	struct process *p;

	(void)resp;
	if (signal_req->signal >= NSIG)
		return err_set(e, ERR_INVALID, "%u is not a signal", signal_req->signal);
	/* Hosts send this after the exit too, for whatever is left. */
	if (signal_req->exec_id[0] == '\0' && signal_req->signal == SIGKILL)
		return container_kill(c, e);
	if (find_process(c, signal_req->exec_id, &p, e) < 0)
		return -1;
	return process_signal(p, (int)signal_req->signal, e);
}

HANDLER(on_wait_process)
{
	const Grpc__WaitProcessRequest *wait = req;
	Grpc__WaitProcessResponse *answer = resp;
	auto_process struct process *held = NULL;
	struct process *p;
	int code;

	if (find_process(call->target, wait->exec_id, &p, e) < 0)
		return -1;
	held = process_ref(p);
	if (process_wait(held, call->deadline, &code, e) < 0)
		return -1;
	answer->status = code;
	return 0;
}

HANDLER(on_tty_win_resize)
{
	const Grpc__TtyWinResizeRequest *resize = req;
	struct process *p;

	(void)resp;
	if (find_process(call->target, resize->exec_id, &p, e) < 0)
		return -1;
	if (!p->terminal)
		return err_set(e, ERR_UNAVAILABLE, "no tty");
	return terminal_resize(out_stream_fd(p->out), resize->row, resize->column, e);
}
