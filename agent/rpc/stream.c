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

struct answer {
	const struct rpc_call *call;
	Grpc__ReadStreamResponse *resp;
};

#define DATA_FIELD 1u /* of ReadStreamResponse */

static int answer_from_pipe(void *arg, int pipe, size_t len, struct err *e)
{
	struct answer *a = arg;

	return rpc_answer_from_pipe(a->call, &a->resp->base, DATA_FIELD, pipe, len, e);
}

static int read_stream(const struct rpc_call *call, const Grpc__ReadStreamRequest *read, bool err,
		       Grpc__ReadStreamResponse *answer, struct err *e)
{
	struct answer moved = { call, answer };
	const struct out_stream_mover mover = { answer_from_pipe, &moved };
	auto_process struct process *held = NULL;
	struct out_stream *stream;
	struct process *p;
	size_t len;

	if (find_process(call->target, read->exec_id, &p, e) < 0)
		return -1;
	held = process_ref(p);
	/* A terminal has one stream; what would be errors come with the rest. */
	stream = err && held->err ? held->err : held->out;
	if (process_read(held, stream, read->len, call->answer ? &mover : NULL, &answer->data.data,
			 &len, call->deadline, e) < 0)
		return -1;
	answer->data.len = answer->data.data ? len : 0;
	return 0;
}

HANDLER(on_read_stdout)
{
	return read_stream(call, req, false, resp, e);
}

HANDLER(on_read_stderr)
{
	return read_stream(call, req, true, resp, e);
}
