/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of any type, through their descriptors; see message.h. */
#include "common/rpc/message.h"

#include <string.h>

#include "common/base/mem.h"
#include "common/base/utf8.h"

/* What malloc() adds to a block, so that many tiny ones count as well. */
#define BLOCK_OVERHEAD 16u

static void *limited_alloc(void *arg, size_t n)
{
	size_t *left = arg;

	if (n > MESSAGE_MEMORY_MAX || *left < n + BLOCK_OVERHEAD)
		return NULL;
	*left -= n + BLOCK_OVERHEAD;
	return malloc(n);
}

static void limited_free(void *arg, void *p)
{
	(void)arg;
	free(p);
}

ProtobufCMessage *message_unpack(const ProtobufCMessageDescriptor *type, struct slice bytes)
{
	size_t left = MESSAGE_MEMORY_MAX;
	ProtobufCAllocator limited = { limited_alloc, limited_free, &left };
	static const uint8_t nothing[1];

	return protobuf_c_message_unpack(type, &limited, bytes.len,
					 bytes.len ? bytes.data : nothing);
}

ProtobufCMessage *message_new(const ProtobufCMessageDescriptor *type)
{
	ProtobufCMessage *m = xcalloc(1, type->sizeof_message);

	protobuf_c_message_init(type, m);
	return m;
}

static const void *member(const ProtobufCMessage *m, size_t offset)
{
	return (const char *)m + offset;
}

const char *message_string(const ProtobufCMessage *m, const char *name)
{
	const ProtobufCFieldDescriptor *f =
		protobuf_c_message_descriptor_get_field_by_name(m->descriptor, name);
	const char *s = NULL;

	if (f && f->type == PROTOBUF_C_TYPE_STRING && f->label != PROTOBUF_C_LABEL_REPEATED)
		s = *(const char *const *)member(m, f->offset);
	return s ? s : "";
}

/* 1 if the string was bad (and was left so); 0 if it is good, or is now. */
static int check_string(char *s, bool clean)
{
	size_t len = s ? strlen(s) : 0;

	if (len == 0 || utf8_valid(s, len))
		return 0;
	if (!clean)
		return 1;
	utf8_clean(s);
	return 0;
}

static const char *walk(const ProtobufCMessage *m, bool clean);

/* `at`: one value, or element of a repeated field: a pointer to a string or to a message. */
static const char *walk_value(const ProtobufCFieldDescriptor *f, const void *at, bool clean)
{
	const ProtobufCMessage *sub;

	if (f->type == PROTOBUF_C_TYPE_STRING)
		return check_string(*(char *const *)at, clean) ? f->name : NULL;
	sub = *(const ProtobufCMessage *const *)at;
	return sub ? walk(sub, clean) : NULL;
}

static const char *walk_field(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f,
			      bool clean)
{
	const char *bad = NULL;

	if (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF &&
	    *(const uint32_t *)member(m, f->quantifier_offset) != f->id)
		return NULL;
	if (f->label == PROTOBUF_C_LABEL_REPEATED) {
		size_t n = *(const size_t *)member(m, f->quantifier_offset);
		const void *const *values = *(const void *const *const *)member(m, f->offset);

		for (size_t i = 0; i < n && !bad; i++)
			bad = walk_value(f, &values[i], clean);
		return bad;
	}
	return walk_value(f, member(m, f->offset), clean);
}

static const char *walk(const ProtobufCMessage *m, bool clean)
{
	const char *bad = NULL;

	for (unsigned i = 0; i < m->descriptor->n_fields && !bad; i++) {
		const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];

		if (f->type == PROTOBUF_C_TYPE_STRING || f->type == PROTOBUF_C_TYPE_MESSAGE)
			bad = walk_field(m, f, clean);
	}
	return bad;
}

const char *message_bad_string(const ProtobufCMessage *m)
{
	return walk(m, false);
}

void message_clean_strings(ProtobufCMessage *m)
{
	(void)walk(m, true);
}
