/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_RPC_STATUS_H
#define HUSK_RPC_STATUS_H

#include <stdint.h>

#include "common/base/err.h"
#include "proto/wire.h"

/*
 * Status codes on the wire (google.rpc.Code) and our error codes. Going out and coming back in keeps
 * each of ours, so that what the agent says is what containerd hears from the shim.
 */
enum rpc_status {
	RPC_OK = 0,
	RPC_CANCELLED = 1,
	RPC_UNKNOWN = 2,
	RPC_INVALID_ARGUMENT = 3,
	RPC_DEADLINE_EXCEEDED = 4,
	RPC_NOT_FOUND = 5,
	RPC_ALREADY_EXISTS = 6,
	RPC_PERMISSION_DENIED = 7,
	RPC_RESOURCE_EXHAUSTED = 8,
	RPC_FAILED_PRECONDITION = 9,
	RPC_ABORTED = 10,
	RPC_OUT_OF_RANGE = 11,
	RPC_UNIMPLEMENTED = 12,
	RPC_INTERNAL = 13,
	RPC_UNAVAILABLE = 14,
	RPC_DATA_LOSS = 15,
	RPC_UNAUTHENTICATED = 16,
};

enum rpc_status rpc_status_of(enum err_code code);

/* Any number a peer may send, other than RPC_OK; ERR_INTERNAL for what has no better name. */
enum err_code rpc_err_code_of(int32_t status);

/* What a peer answered, as an error: printable text of valid UTF-8, cut where it does not fit. */
int rpc_status_to_err(int32_t status, struct slice message, struct err *e);

#endif
