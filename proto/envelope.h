/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_PROTO_ENVELOPE_H
#define HUSK_PROTO_ENVELOPE_H

#include "proto/wire.h"

/*
 * ttrpc's Request and Response (ttrpc.proto), read in place: the payload, which can be megabytes of
 * a container's output, stays where it was received. Fuzzed against the generated code.
 */

#define ENVELOPE_NAMESPACE_KEY "containerd-namespace-ttrpc"

struct envelope_request {
	struct slice service, method, payload; /* point into the frame */
	struct slice ns;    /* metadata ENVELOPE_NAMESPACE_KEY; the first one counts */
	int64_t timeout_ns; /* 0: none */
};

struct envelope_response {
	int32_t code; /* 0: success, whether there was a status or not */
	struct slice message, payload;
};

/* Field numbers of the payload, for the side that writes it behind the rest. */
#define ENVELOPE_REQUEST_PAYLOAD  3u
#define ENVELOPE_RESPONSE_PAYLOAD 2u

/* False: these bytes are no such message; *ret is untouched then. */
bool envelope_read_request(struct slice frame, struct envelope_request *ret);
bool envelope_read_response(struct slice frame, struct envelope_response *ret);

/*
 * Whether a Response of `total` bytes, of which `head` is the beginning, says success and consists up
 * to its end of a payload with nothing but the field `field`, of type bytes. *ret_before: the number
 * of bytes in front of that field's own.
 */
bool envelope_ends_in(struct slice head, size_t total, uint32_t field, size_t *ret_before);

#endif
