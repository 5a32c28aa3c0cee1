/* SPDX-License-Identifier: Apache-2.0 */
/* Error codes to status codes and back; see status.h. */
#include "common/rpc/status.h"

#include <string.h>

#include "common/base/utf8.h"

enum rpc_status rpc_status_of(enum err_code code)
{
	switch (code) {
	case ERR_NONE: /* a failure without a reason is a bug; it must not look like success */
		return RPC_UNKNOWN;
	case ERR_INVALID:
		return RPC_INVALID_ARGUMENT;
	case ERR_NOT_FOUND:
		return RPC_NOT_FOUND;
	case ERR_EXISTS:
		return RPC_ALREADY_EXISTS;
	case ERR_STATE:
		return RPC_FAILED_PRECONDITION;
	case ERR_DENIED:
		return RPC_PERMISSION_DENIED;
	case ERR_EXHAUSTED:
		return RPC_RESOURCE_EXHAUSTED;
	case ERR_TIMEOUT:
		return RPC_DEADLINE_EXCEEDED;
	case ERR_CANCELLED:
		return RPC_CANCELLED;
	case ERR_UNAVAILABLE:
		return RPC_UNAVAILABLE;
	case ERR_UNSUPPORTED:
		return RPC_UNIMPLEMENTED;
	case ERR_INTERNAL:
		return RPC_INTERNAL;
	}
	return RPC_UNKNOWN;
}

enum err_code rpc_err_code_of(int32_t status)
{
	static const enum err_code codes[] = {
		[RPC_OK] = ERR_INTERNAL,
		[RPC_CANCELLED] = ERR_CANCELLED,
		[RPC_UNKNOWN] = ERR_INTERNAL,
		[RPC_INVALID_ARGUMENT] = ERR_INVALID,
		[RPC_DEADLINE_EXCEEDED] = ERR_TIMEOUT,
		[RPC_NOT_FOUND] = ERR_NOT_FOUND,
		[RPC_ALREADY_EXISTS] = ERR_EXISTS,
		[RPC_PERMISSION_DENIED] = ERR_DENIED,
		[RPC_RESOURCE_EXHAUSTED] = ERR_EXHAUSTED,
		[RPC_FAILED_PRECONDITION] = ERR_STATE,
		[RPC_ABORTED] = ERR_STATE,
		[RPC_OUT_OF_RANGE] = ERR_INVALID,
		[RPC_UNIMPLEMENTED] = ERR_UNSUPPORTED,
		[RPC_INTERNAL] = ERR_INTERNAL,
		[RPC_UNAVAILABLE] = ERR_UNAVAILABLE,
		[RPC_DATA_LOSS] = ERR_INTERNAL,
		[RPC_UNAUTHENTICATED] = ERR_DENIED,
	};

	if (status < 0 || (size_t)status >= ARRAY_LEN(codes))
		return ERR_INTERNAL;
	return codes[status];
}

int rpc_status_to_err(int32_t status, struct slice message, struct err *e)
{
	size_t len = message.len < sizeof(e->text) ? message.len : sizeof(e->text) - 1;

	if (len == 0)
		return err_set(e, rpc_err_code_of(status), "status %d without a message",
			       (int)status);
	e->code = rpc_err_code_of(status);
	e->sys = 0;
	memcpy(e->text, message.data, len);
	e->text[len] = '\0';
	/* One error is one line, and a NUL would hide what follows it. */
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)e->text[i] < ' ')
			e->text[i] = ' ';
	utf8_clean(e->text);
	return -1;
}
