/* SPDX-License-Identifier: Apache-2.0 */
/* Calls that carry standard input and output. */
#include <stdlib.h>

#include "shim/agent/connection.h"

int agent_write_stdin(struct agent *a, const char *id, const char *exec_id, const void *data,
		      size_t len, struct deadline d, struct err *e)
{
	const uint8_t *from = data;

	while (len > 0) {
		Grpc__WriteStreamRequest req;
		Grpc__WriteStreamResponse *resp = NULL;
		uint32_t taken;

		grpc__write_stream_request__init(&req);
		req.container_id = message_text(id);
		req.exec_id = message_text(exec_id);
		req.data.data = (uint8_t *)(uintptr_t)from;
		req.data.len = len;
		if (agent_call(a, "WriteStdin", &req, &resp, d, e) < 0)
			return -1;
		taken = resp->len;
		grpc__write_stream_response__free_unpacked(resp, NULL);
		if (taken == 0 || taken > len)
			return err_set(e, ERR_INTERNAL, "agent: WriteStdin: took %u of %zu bytes",
				       taken, len);
		from += taken;
		len -= taken;
	}
	return 0;
}

int agent_close_stdin(struct agent *a, const char *id, const char *exec_id, struct deadline d,
		      struct err *e)
{
	Grpc__CloseStdinRequest req;

	grpc__close_stdin_request__init(&req);
	req.container_id = message_text(id);
	req.exec_id = message_text(exec_id);
	return agent_call(a, "CloseStdin", &req, NULL, d, e);
}

#define DATA_FIELD 1u /* of ReadStreamResponse */

int agent_read_stream(struct agent *a, enum agent_stream which, const char *id, const char *exec_id,
		      uint32_t max, int pipe, struct agent_output *ret, struct err *e)
{
	const char *method = which == AGENT_STDOUT ? "ReadStdout" : "ReadStderr";
	Grpc__ReadStreamRequest req;
	Grpc__ReadStreamResponse *resp = NULL;
	struct agent_output got;

	grpc__read_stream_request__init(&req);
	req.container_id = message_text(id);
	req.exec_id = message_text(exec_id);
	req.len = max;
	if (agent_call_to_pipe(a, method, &req, &resp, DATA_FIELD, pipe, &got.piped, e) < 0)
		return -1;
	/* The unpacked bytes are from malloc() and can change hands without a copy. */
	got.len = resp->data.len;
	got.data = take_ptr(resp->data.data);
	resp->data.len = 0;
	grpc__read_stream_response__free_unpacked(resp, NULL);
	if (got.piped + got.len > max) {
		free(got.data);
		return err_set(e, ERR_INTERNAL, "agent: %s: %zu bytes where %u were asked for",
			       method, got.piped + got.len, max);
	}
	*ret = got;
	return 0;
}
