/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The payload of a request frame. Read in place it says what the generated code reads, and whatever
 * it asks of the task service ends in an answer or an error.
 */
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/rpc/server.h"
#include "proto/envelope.h"
#include "task.pb-c.h"
#include "ttrpc.pb-c.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int on_any(const struct rpc_call *call, const void *req, void *resp, struct err *e)
{
	(void)call;
	(void)req;
	(void)resp;
	(void)e;
	return 0;
}

static const struct rpc_method methods[] = {
	{ "State", on_any, 0 },  { "Create", on_any, 0 }, { "Kill", on_any, 0 },
	{ "Update", on_any, 0 }, { "Exec", on_any, 0 },   { "Wait", on_any, 0 },
};

static const struct rpc_service task = {
	.desc = &containerd__task__v2__task__descriptor,
	.methods = methods,
	.n_methods = ARRAY_LEN(methods),
};

/* The generated code's strings end at the first NUL. */
static void same_string(const char *theirs, struct slice ours)
{
	size_t len = strlen(theirs);

	if (len > ours.len || (len > 0 && memcmp(theirs, ours.data, len) != 0) ||
	    (len < ours.len && ours.data[len] != '\0'))
		abort();
}

static void compare(const uint8_t *data, size_t size, const struct envelope_request *ours)
{
	Ttrpc__Request *theirs = ttrpc__request__unpack(NULL, size, data);

	if (!theirs)
		return;
	same_string(theirs->service, ours->service);
	same_string(theirs->method, ours->method);
	if (theirs->timeout_nano != ours->timeout_ns || theirs->payload.len != ours->payload.len ||
	    (ours->payload.len > 0 &&
	     memcmp(theirs->payload.data, ours->payload.data, ours->payload.len) != 0))
		abort();
	ttrpc__request__free_unpacked(theirs, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct rpc_service *const services[] = { &task };
	auto_free char *service = NULL, *method = NULL;
	auto_free uint8_t *resp = NULL;
	struct envelope_request r;
	struct err e = ERR_INIT;
	size_t resp_len;

	if (!envelope_read_request((struct slice){ data, size }, &r))
		return 0;
	compare(data, size, &r);
	service =
		r.service.len ? xstrndup((const char *)r.service.data, r.service.len) : xstrdup("");
	method = r.method.len ? xstrndup((const char *)r.method.data, r.method.len) : xstrdup("");
	if (rpc_dispatch(services, ARRAY_LEN(services), service, method, r.payload.data,
			 r.payload.len, &resp, &resp_len, &e) < 0 &&
	    e.text[0] == '\0')
		abort();
	return 0;
}
