/* SPDX-License-Identifier: Apache-2.0 */
/* The ttrpc frame header, to and from bytes; see frame.h. */
#include "proto/frame.h"

#include <assert.h>
#include <endian.h>
#include <string.h>

static uint32_t get_be32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return be32toh(v);
}

static void put_be32(uint8_t *p, uint32_t v)
{
	v = htobe32(v);
	memcpy(p, &v, sizeof(v));
}

enum frame_result frame_decode(const uint8_t *buf, size_t len, struct frame *ret, size_t *ret_used)
{
	struct frame f = { .payload = NULL };

	if (len < FRAME_HEADER_LEN)
		return FRAME_SHORT;

	f.payload_len = get_be32(buf);
	f.stream = get_be32(buf + 4);
	f.type = buf[8];
	f.flags = buf[9];
	*ret = f;
	*ret_used = FRAME_HEADER_LEN;

	if (f.payload_len > FRAME_PAYLOAD_MAX)
		return FRAME_TOO_LARGE;
	if (len - FRAME_HEADER_LEN < f.payload_len)
		return FRAME_PARTIAL;
	ret->payload = buf + FRAME_HEADER_LEN;
	*ret_used += f.payload_len;
	return FRAME_OK;
}

void frame_header(const struct frame *f, uint8_t out[static FRAME_HEADER_LEN])
{
	assert(f->payload_len <= FRAME_PAYLOAD_MAX);
	put_be32(out, f->payload_len);
	put_be32(out + 4, f->stream);
	out[8] = f->type;
	out[9] = f->flags;
}

void frame_header_set_stream(uint8_t header[static FRAME_HEADER_LEN], uint32_t stream)
{
	put_be32(header + 4, stream);
}
