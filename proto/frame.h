/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_PROTO_FRAME_H
#define HUSK_PROTO_FRAME_H

#include <stddef.h>
#include <stdint.h>

/*
 * The ttrpc message frame: ten bytes of header, then the payload.
 *
 *      0       4       8    9    10
 *      | len   | stream|type|flags| payload, len bytes
 *
 * Integers are big-endian on the wire and host order in `struct frame`. Source: ttrpc's
 * PROTOCOL.md, "Message Frame". This file knows bytes only: no sockets, no protobuf, no allocation.
 */

#define FRAME_HEADER_LEN  10u
#define FRAME_PAYLOAD_MAX (4u << 20) /* bytes; a larger length is refused, not waited for */

enum frame_type {
	FRAME_REQUEST = 1,
	FRAME_RESPONSE = 2,
	FRAME_DATA = 3,
};

/* Flags of FRAME_REQUEST and FRAME_DATA; a response carries none. */
enum frame_flag {
	FRAME_REMOTE_CLOSED = 1 << 0, /* the sender sends no more data on the stream */
	FRAME_REMOTE_OPEN = 1 << 1,   /* on a request: data frames will follow */
	FRAME_NO_DATA = 1 << 2,       /* carries no message, not even an empty one */
};

struct frame {
	uint32_t stream; /* odd: opened by the client */
	uint8_t type;    /* enum frame_type; unknown values are the caller's to refuse */
	uint8_t flags;
	const uint8_t *payload; /* borrowed: points into the buffer given to frame_decode() */
	uint32_t payload_len;   /* bytes */
};

enum frame_result {
	FRAME_OK = 0, /* *ret and *ret_used are set */
	FRAME_SHORT,  /* the header is not all there: call again with more bytes; nothing is set */

	/*
	 * The header is there and the payload is not: *ret is set with payload NULL, *ret_used to
	 * the header's length. A large payload can so be read straight to where it belongs.
	 */
	FRAME_PARTIAL,
	FRAME_TOO_LARGE, /* as FRAME_PARTIAL: refuse that stream, skip payload_len bytes */
};

/*
 * Look at the first frame in buf[0..len).
 *
 * ret       its payload, on FRAME_OK, lives as long as buf does
 * ret_used  bytes of buf that are dealt with and may be dropped
 *
 * Reads nothing beyond len, keeps no state, never blocks.
 */
enum frame_result frame_decode(const uint8_t *buf, size_t len, struct frame *ret, size_t *ret_used);

/*
 * Write the header of `f` to out[0..FRAME_HEADER_LEN). The payload is not copied: send the two
 * with one writev(). f->payload_len must be at most FRAME_PAYLOAD_MAX (asserted).
 */
void frame_header(const struct frame *f, uint8_t out[static FRAME_HEADER_LEN]);

/* In a header that is written already: ids are given out only when it is the frame's turn. */
void frame_header_set_stream(uint8_t header[static FRAME_HEADER_LEN], uint32_t stream);

#endif
