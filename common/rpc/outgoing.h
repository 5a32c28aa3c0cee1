/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_RPC_OUTGOING_H
#define HUSK_RPC_OUTGOING_H

#include <protobuf-c/protobuf-c.h>
#include <stdint.h>
#include <sys/uio.h>

#include "common/base/err.h"
#include "proto/frame.h"

/*
 * A field of type bytes that ends a payload and is still in a pipe. Who sends the frame moves the
 * bytes, without looking at them where the kernel can do that. The descriptor stays the caller's and
 * must live until the frame was sent.
 *
 * The pipe holds these bytes and no others: it must not be one that somebody else can write or read
 * meanwhile. The length is promised in the header; and a splice of less than a pipe held to a
 * virtio-serial port hung the stream with Linux 6.1, where one of all of it works.
 */
struct outgoing_tail {
	uint32_t
		field; /* its number in the payload's type; above those of the fields that are set */
	int pipe;      /* O_NONBLOCK; at most 1024 pages: QEMU takes no more in one piece */
	size_t len;    /* 0: there is no such field */
};

/*
 * One frame that is ready to be sent: header, envelope and payload, packed once. Large `bytes`
 * fields of the payload are not copied but pointed to, so the message must live until it was sent.
 */
struct outgoing {
	struct iovec *iov;
	int n;
	uint8_t *owned;            /* everything that is not pointed to */
	struct outgoing_tail tail; /* goes out behind iov */
};

#define OUTGOING_INIT ((struct outgoing){ .iov = NULL })

/*
 * `envelope` is a Ttrpc__Request or Ttrpc__Response without its payload; `payload` (may be NULL)
 * follows as its field number `field`. ERR_EXHAUSTED if the frame would be larger than
 * FRAME_PAYLOAD_MAX. The stream id is 0 until outgoing_set_stream().
 */
int outgoing_pack(struct outgoing *o, enum frame_type type, const ProtobufCMessage *envelope,
		  uint32_t field, const ProtobufCMessage *payload, struct err *e) must_check;

/* The same with a tail behind the payload, which leaves that field empty. */
int outgoing_pack_with_tail(struct outgoing *o, enum frame_type type,
			    const ProtobufCMessage *envelope, uint32_t field,
			    const ProtobufCMessage *payload, struct outgoing_tail tail,
			    struct err *e) must_check;
void outgoing_set_stream(struct outgoing *o, uint32_t stream);
void outgoing_done(struct outgoing *o);

#define auto_outgoing CLEANUP(outgoing_done)

#endif
