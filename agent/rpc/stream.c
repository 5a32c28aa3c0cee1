/* SPDX-License-Identifier: Apache-2.0 */
/* Standard streams of a process, one request for each piece. */
#include "agent/rpc/handlers.h"

HANDLER(on_write_stdin)
{
	const Grpc__WriteStreamRequest *write = req;
	Grpc__WriteStreamResponse *answer = resp;
	auto_process struct process *held = NULL;
	struct process *p;

	if (find_process(call->target, write->exec_id, &p, e) < 0)
		return -1;
	held = process_ref(p);
	/* Some hosts say end of input this way. */
	if (write->data.len == 0)
		return in_stream_close(held->in, call->deadline, e);
	if (in_stream_write(held->in, write->data.data, write->data.len, call->deadline, e) < 0)
		return -1;
	answer->len = (uint32_t)write->data.len;
	return 0;
}

HANDLER(on_close_stdin)
{
	const Grpc__CloseStdinRequest *close_req = req;
	auto_process struct process *held = NULL;
	struct process *p;

	(void)resp;
	if (find_process(call->target, close_req->exec_id, &p, e) < 0)
		return -1;
	held = process_ref(p);
	return in_stream_close(held->in, call->deadline, e);
}

static int read_stream(const struct rpc_call *call, const Grpc__ReadStreamRequest *read, bool err,
		       Grpc__ReadStreamResponse *answer, struct err *e)
{
	auto_process struct process *held = NULL;
	struct out_stream *stream;
	struct process *p;

	if (find_process(call->target, read->exec_id, &p, e) < 0)
		return -1;
	held = process_ref(p);
	/* A terminal has one stream; what would be errors come with the rest. */
	stream = err && held->err ? held->err : held->out;
	return process_read(held, stream, read->len, &answer->data.data, &answer->data.len,
			    call->deadline, e);
}

HANDLER(on_read_stdout)
{
	return read_stream(call, req, false, resp, e);
}

HANDLER(on_read_stderr)
{
	return read_stream(call, req, true, resp, e);
}
