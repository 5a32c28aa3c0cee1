/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_RPC_OUTGOING_H
#define HUSK_RPC_OUTGOING_H

#include <protobuf-c/protobuf-c.h>
#include <stdint.h>
#include <sys/uio.h>

#include "common/base/err.h"
#include "proto/frame.h"

/*
 * One frame that is ready to be sent: header, envelope and payload, packed once. Large `bytes`
 * fields of the payload are not copied but pointed to, so the message must live until it was sent.
 */
struct outgoing {
	struct iovec *iov;
	int n;
	uint8_t *owned; /* everything that is not pointed to */
};

#define OUTGOING_INIT ((struct outgoing){ .iov = NULL })

/*
 * `envelope` is a Ttrpc__Request or Ttrpc__Response without its payload; `payload` (may be NULL)
 * follows as its field number `field`. ERR_EXHAUSTED if the frame would be larger than
 * FRAME_PAYLOAD_MAX. The stream id is 0 until outgoing_set_stream().
 */
int outgoing_pack(struct outgoing *o, enum frame_type type, const ProtobufCMessage *envelope,
		  uint32_t field, const ProtobufCMessage *payload, struct err *e) must_check;
void outgoing_set_stream(struct outgoing *o, uint32_t stream);
void outgoing_done(struct outgoing *o);

#define auto_outgoing CLEANUP(outgoing_done)

#endif
