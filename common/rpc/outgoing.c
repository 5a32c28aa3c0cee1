/* SPDX-License-Identifier: Apache-2.0 */
/* Packing a frame with as few copies as possible; see outgoing.h. */
#include "common/rpc/outgoing.h"

#include "common/base/mem.h"
#include "proto/wire.h"

/*
 * From this size on a field is pointed to instead of copied: below it one more iovec costs more than
 * the copy. It must be larger than what protobuf-c appends from its own stack (tags and numbers, at
 * most 20 bytes), which is gone by the time the frame is sent.
 */
#define POINT_TO_MIN 4096u

/* Small messages are packed into one piece; only above this is it worth looking for large fields. */
#define GATHER_MIN (4u * POINT_TO_MIN)

struct part {
	const uint8_t *data; /* NULL: at `offset` of gather.copied */
	size_t offset, len;
};

/* What protobuf-c packs into: a list of parts, copied or pointed to. */
struct gather {
	ProtobufCBuffer base;
	struct buf copied;
	struct part *parts;
	size_t n, room;
};

static void gather_add(struct gather *g, const uint8_t *data, size_t offset, size_t len)
{
	if (g->n == g->room) {
		g->room = g->room ? 2 * g->room : 4;
		g->parts = xrealloc(g->parts, g->room * sizeof(*g->parts));
	}
	g->parts[g->n++] = (struct part){ data, offset, len };
}

static void gather_append(ProtobufCBuffer *base, size_t len, const uint8_t *data)
{
	struct gather *g = container_of(base, struct gather, base);
	struct part *last = g->n ? &g->parts[g->n - 1] : NULL;

	if (len >= POINT_TO_MIN) {
		gather_add(g, data, 0, len);
		return;
	}
	if (last && !last->data)
		last->len += len;
	else
		gather_add(g, NULL, g->copied.len, len);
	buf_add(&g->copied, data, len);
}

static void gather_finish(struct gather *g, struct outgoing *o)
{
	o->iov = xcalloc(g->n, sizeof(*o->iov));
	o->n = (int)g->n;
	o->owned = (uint8_t *)g->copied.data;
	for (size_t i = 0; i < g->n; i++) {
		const struct part *p = &g->parts[i];
		const uint8_t *at = p->data ? p->data : o->owned + p->offset;

		o->iov[i].iov_base = (void *)(uintptr_t)at; /* writev() only reads it */
		o->iov[i].iov_len = p->len;
	}
	free(g->parts);
}

int outgoing_pack(struct outgoing *o, enum frame_type type, const ProtobufCMessage *envelope,
		  uint32_t field, const ProtobufCMessage *payload, struct err *e)
{
	return outgoing_pack_with_tail(o, type, envelope, field, payload,
				       (struct outgoing_tail){ .len = 0 }, e);
}

int outgoing_pack_with_tail(struct outgoing *o, enum frame_type type,
			    const ProtobufCMessage *envelope, uint32_t field,
			    const ProtobufCMessage *payload, struct outgoing_tail tail,
			    struct err *e)
{
	size_t payload_len = payload ? protobuf_c_message_get_packed_size(payload) : 0;
	size_t total = protobuf_c_message_get_packed_size(envelope);
	uint8_t head[FRAME_HEADER_LEN], key[WIRE_KEY_MAX], tail_key[WIRE_KEY_MAX];
	struct gather g = { .base.append = gather_append };
	struct frame f = { .type = (uint8_t)type };
	size_t tail_key_len = tail.len > 0 ? wire_put_key(tail_key, tail.field, tail.len) : 0;
	size_t key_len = 0;

	if (payload_len + tail.len > 0) {
		key_len = wire_put_key(key, field, payload_len + tail_key_len + tail.len);
		total += key_len + payload_len + tail_key_len + tail.len;
	}
	if (total > FRAME_PAYLOAD_MAX)
		return err_set(e, ERR_EXHAUSTED, "message of %zu bytes, the limit is %u", total,
			       FRAME_PAYLOAD_MAX);
	f.payload_len = (uint32_t)total;
	frame_header(&f, head);

	/* One allocation holds it all, unless a large field is left where it is. */
	g.copied.room = FRAME_HEADER_LEN + (total < GATHER_MIN ? total : POINT_TO_MIN) + 1;
	g.copied.data = xmalloc(g.copied.room);
	gather_append(&g.base, sizeof(head), head);
	(void)protobuf_c_message_pack_to_buffer(envelope, &g.base);
	gather_append(&g.base, key_len, key);
	if (payload_len > 0) {
		if (total < GATHER_MIN) {
			uint8_t *at = (uint8_t *)buf_reserve(&g.copied, payload_len);

			(void)protobuf_c_message_pack(payload, at);
			g.copied.len += payload_len;
			g.parts[g.n - 1].len += payload_len;
		} else {
			(void)protobuf_c_message_pack_to_buffer(payload, &g.base);
		}
	}
	gather_append(&g.base, tail_key_len, tail_key);
	gather_finish(&g, o);
	o->tail = tail;
	return 0;
}

void outgoing_set_stream(struct outgoing *o, uint32_t stream)
{
	frame_header_set_stream(o->owned, stream);
}

void outgoing_done(struct outgoing *o)
{
	free(o->iov);
	free(o->owned);
	*o = OUTGOING_INIT;
}
