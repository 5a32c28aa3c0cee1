/* SPDX-License-Identifier: Apache-2.0 */
/* Messages as JSON and back; see message_json.h. */
#include "tests/agentctl/message_json.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/num.h"
#include "tests/agentctl/base64.h"

static void *member(const ProtobufCMessage *m, size_t offset)
{
	return (char *)(uintptr_t)m + offset;
}

static size_t size_of(ProtobufCType type)
{
	switch (type) {
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_FLOAT:
	case PROTOBUF_C_TYPE_ENUM:
		return sizeof(uint32_t);
	case PROTOBUF_C_TYPE_BOOL:
		return sizeof(protobuf_c_boolean);
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_MESSAGE:
		return sizeof(void *);
	case PROTOBUF_C_TYPE_BYTES:
		return sizeof(ProtobufCBinaryData);
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		break;
	}
	return sizeof(uint64_t);
}

/* protobuf-c knows nothing of maps: they are repeated messages with these names (protobuf's encoding). */
static bool is_map(const ProtobufCFieldDescriptor *field)
{
	const ProtobufCMessageDescriptor *entry = field->descriptor;
	size_t len;

	if (field->label != PROTOBUF_C_LABEL_REPEATED || field->type != PROTOBUF_C_TYPE_MESSAGE)
		return false;
	len = strlen(entry->name);
	return entry->n_fields == 2 && strcmp(entry->fields[0].name, "key") == 0 &&
	       strcmp(entry->fields[1].name, "value") == 0 && len > 5 &&
	       strcmp(entry->name + len - 5, "Entry") == 0;
}

/* ---- From JSON ---- */

static int fill(const struct json *v, ProtobufCMessage *m, struct err *e);

static int wrong(const char *wanted, struct err *e)
{
	return err_set(e, ERR_INVALID, "not %s", wanted);
}

static int enum_from_json(const struct json *v, const ProtobufCEnumDescriptor *desc, int *ret,
			  struct err *e)
{
	const char *name = json_string(v);
	const ProtobufCEnumValue *value =
		name ? protobuf_c_enum_descriptor_get_value_by_name(desc, name) : NULL;
	int64_t number;

	if (value)
		*ret = value->value;
	else if (!name && json_i64(v, &number) && number >= INT32_MIN && number <= INT32_MAX)
		*ret = (int)number;
	else
		return err_set(e, ERR_INVALID, "not a value of %s", desc->name);
	return 0;
}

static int number_from_json(const struct json *v, ProtobufCType type, void *slot, struct err *e)
{
	bool is_signed = type == PROTOBUF_C_TYPE_INT32 || type == PROTOBUF_C_TYPE_SINT32 ||
			 type == PROTOBUF_C_TYPE_SFIXED32 || type == PROTOBUF_C_TYPE_INT64 ||
			 type == PROTOBUF_C_TYPE_SINT64 || type == PROTOBUF_C_TYPE_SFIXED64;
	bool narrow = size_of(type) == sizeof(uint32_t);
	int64_t i = 0;
	uint64_t u = 0;

	if (type == PROTOBUF_C_TYPE_FLOAT || type == PROTOBUF_C_TYPE_DOUBLE)
		return err_set(e, ERR_UNSUPPORTED, "fractions are not supported");
	if (is_signed && (!json_i64(v, &i) || (narrow && (i < INT32_MIN || i > INT32_MAX))))
		return wrong("a number of this width", e);
	if (!is_signed && (!json_u64(v, &u) || (narrow && u > UINT32_MAX)))
		return wrong("a number of this width, 0 or more", e);
	if (narrow)
		*(uint32_t *)slot = is_signed ? (uint32_t)i : (uint32_t)u;
	else
		*(uint64_t *)slot = is_signed ? (uint64_t)i : u;
	return 0;
}

static int bytes_from_json(const struct json *v, ProtobufCBinaryData *ret, struct err *e)
{
	const char *text = json_string(v);

	if (!text || !base64_decode(text, &ret->data, &ret->len))
		return wrong("base64", e);
	return 0;
}

static int value_from_json(const struct json *v, const ProtobufCFieldDescriptor *field, void *slot,
			   struct err *e)
{
	bool truth;

	switch (field->type) {
	case PROTOBUF_C_TYPE_BOOL:
		if (!json_bool(v, &truth))
			return wrong("true or false", e);
		*(protobuf_c_boolean *)slot = truth;
		return 0;
	case PROTOBUF_C_TYPE_STRING:
		if (!json_string(v))
			return wrong("a string", e);
		*(char **)slot = xstrdup(json_string(v));
		return 0;
	case PROTOBUF_C_TYPE_BYTES:
		return bytes_from_json(v, slot, e);
	case PROTOBUF_C_TYPE_ENUM:
		return enum_from_json(v, field->descriptor, slot, e);
	case PROTOBUF_C_TYPE_MESSAGE:
		return message_from_json(v, field->descriptor, (ProtobufCMessage **)slot, e);
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_FLOAT:
	case PROTOBUF_C_TYPE_DOUBLE:
		break;
	}
	return number_from_json(v, field->type, slot, e);
}

/* { "k": v } as the entries {key: "k", value: v}. */
static int entry_from_json(const char *key, const struct json *v,
			   const ProtobufCMessageDescriptor *desc, ProtobufCMessage **slot,
			   struct err *e)
{
	const ProtobufCFieldDescriptor *key_field = &desc->fields[0],
				       *value_field = &desc->fields[1];

	if (key_field->type != PROTOBUF_C_TYPE_STRING)
		return err_set(e, ERR_UNSUPPORTED, "keys that are not strings");
	*slot = xcalloc(1, desc->sizeof_message);
	protobuf_c_message_init(desc, *slot);
	*(char **)member(*slot, key_field->offset) = xstrdup(key);
	if (json_type(v) == JSON_TYPE_NULL)
		return 0;
	return value_from_json(v, value_field, member(*slot, value_field->offset), e);
}

static int repeated_from_json(const struct json *v, const ProtobufCFieldDescriptor *field,
			      ProtobufCMessage *m, struct err *e)
{
	size_t *n = member(m, field->quantifier_offset);
	size_t size = size_of(field->type);
	bool map = is_map(field);
	char *items;

	if (json_type(v) != (map ? JSON_TYPE_OBJECT : JSON_TYPE_ARRAY))
		return wrong(map ? "an object" : "an array", e);
	if (json_len(v) == 0)
		return 0;
	items = xcalloc(json_len(v), size);
	*(void **)member(m, field->offset) = items;
	for (size_t i = 0; i < json_len(v); i++) {
		const struct json *item = json_at(v, i);
		void *slot = items + i * size;
		int result = map ? entry_from_json(json_key(v, i), item, field->descriptor, slot, e)
				 : value_from_json(item, field, slot, e);

		/* One that failed half-way is counted, so that it is freed with the message. */
		if (result == 0 || field->type == PROTOBUF_C_TYPE_MESSAGE)
			*n = i + 1;
		if (result < 0 && map)
			return err_wrap(e, "%s", json_key(v, i));
		if (result < 0)
			return err_wrap(e, "[%zu]", i);
	}
	return 0;
}

static int field_from_json(const struct json *v, const ProtobufCFieldDescriptor *field,
			   ProtobufCMessage *m, struct err *e)
{
	if (json_type(v) == JSON_TYPE_NULL)
		return 0;
	if (field->label == PROTOBUF_C_LABEL_REPEATED)
		return repeated_from_json(v, field, m, e);
	if (value_from_json(v, field, member(m, field->offset), e) < 0)
		return -1;
	/* Of a oneof: which member it is. */
	if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
		*(uint32_t *)member(m, field->quantifier_offset) = field->id;
	return 0;
}

static int unknown_from_json(uint32_t number, const struct json *v, ProtobufCMessage *m,
			     struct err *e)
{
	ProtobufCMessageUnknownField *list;
	uint8_t *content;
	ProtobufCBinaryData data = { 0, NULL };
	uint8_t len[10];
	size_t n = 0;

	if (bytes_from_json(v, &data, e) < 0)
		return -1;
	for (size_t rest = data.len; n == 0 || rest > 0; rest >>= 7)
		len[n++] = (uint8_t)((rest & 0x7f) | (rest >> 7 ? 0x80 : 0));
	content = xmalloc(n + data.len);
	memcpy(content, len, n);
	memcpy(content + n, data.data, data.len);
	free(data.data);
	list = xrealloc(m->unknown_fields, (m->n_unknown_fields + 1) * sizeof(*list));
	m->unknown_fields = list;
	list[m->n_unknown_fields++] = (ProtobufCMessageUnknownField){
		.tag = number,
		.wire_type = PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED,
		.len = n + data.len,
		.data = content,
	};
	return 0;
}

static int fill(const struct json *v, ProtobufCMessage *m, struct err *e)
{
	for (size_t i = 0; i < json_len(v); i++) {
		const char *key = json_key(v, i);
		const ProtobufCFieldDescriptor *field =
			protobuf_c_message_descriptor_get_field_by_name(m->descriptor, key);
		uint32_t number;
		int result;

		if (field)
			result = field_from_json(json_at(v, i), field, m, e);
		else if (num_u32(key, 10, &number) && number > 0)
			result = unknown_from_json(number, json_at(v, i), m, e);
		else
			return err_set(e, ERR_INVALID, "%s has no field '%s'", m->descriptor->name,
				       key);
		if (result < 0)
			return err_wrap(e, "%s", key);
	}
	return 0;
}

int message_from_json(const struct json *v, const ProtobufCMessageDescriptor *desc,
		      ProtobufCMessage **ret, struct err *e)
{
	ProtobufCMessage *m;

	if (json_type(v) != JSON_TYPE_OBJECT)
		return wrong("an object", e);
	m = xcalloc(1, desc->sizeof_message);
	protobuf_c_message_init(desc, m);
	if (fill(v, m, e) < 0) {
		protobuf_c_message_free_unpacked(m, NULL);
		return -1;
	}
	*ret = m;
	return 0;
}

/* ---- To JSON ---- */

static void add_string(const char *s, struct buf *out)
{
	auto_free char *text = json_quote(s);

	buf_add(out, text, strlen(text));
}

static void add_bytes(const ProtobufCBinaryData *bytes, struct buf *out)
{
	buf_add(out, "\"", 1);
	base64_encode(bytes->data, bytes->len, out);
	buf_add(out, "\"", 1);
}

static void add_enum(int value, const ProtobufCEnumDescriptor *desc, struct buf *out)
{
	const ProtobufCEnumValue *found = protobuf_c_enum_descriptor_get_value(desc, value);

	if (found)
		add_string(found->name, out);
	else
		buf_addf(out, "%d", value);
}

static void add_value(const ProtobufCFieldDescriptor *field, const void *slot, struct buf *out)
{
	switch (field->type) {
	case PROTOBUF_C_TYPE_BOOL:
		buf_addf(out, "%s", *(const protobuf_c_boolean *)slot ? "true" : "false");
		break;
	case PROTOBUF_C_TYPE_STRING:
		add_string(*(char *const *)slot, out);
		break;
	case PROTOBUF_C_TYPE_BYTES:
		add_bytes(slot, out);
		break;
	case PROTOBUF_C_TYPE_ENUM:
		add_enum(*(const int *)slot, field->descriptor, out);
		break;
	case PROTOBUF_C_TYPE_MESSAGE:
		message_to_json(*(ProtobufCMessage *const *)slot, out);
		break;
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
		buf_addf(out, "%" PRIu32, *(const uint32_t *)slot);
		break;
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
		buf_addf(out, "%" PRIi32, *(const int32_t *)slot);
		break;
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
		buf_addf(out, "%" PRIu64, *(const uint64_t *)slot);
		break;
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
		buf_addf(out, "%" PRIi64, *(const int64_t *)slot);
		break;
	case PROTOBUF_C_TYPE_FLOAT:
		buf_addf(out, "%g", (double)*(const float *)slot);
		break;
	case PROTOBUF_C_TYPE_DOUBLE:
		buf_addf(out, "%g", *(const double *)slot);
		break;
	}
}

static void add_entry(const ProtobufCMessage *entry, struct buf *out)
{
	const ProtobufCFieldDescriptor *fields = entry->descriptor->fields;

	add_string(*(char *const *)member(entry, fields[0].offset), out);
	buf_add(out, ":", 1);
	/* A message that a peer left out of an entry is no message. */
	if (fields[1].type == PROTOBUF_C_TYPE_MESSAGE &&
	    !*(ProtobufCMessage *const *)member(entry, fields[1].offset))
		buf_addf(out, "null");
	else
		add_value(&fields[1], member(entry, fields[1].offset), out);
}

static void add_repeated(const ProtobufCFieldDescriptor *field, const ProtobufCMessage *m,
			 struct buf *out)
{
	const char *items = *(char *const *)member(m, field->offset);
	size_t n = *(const size_t *)member(m, field->quantifier_offset);
	bool map = is_map(field);

	buf_add(out, map ? "{" : "[", 1);
	for (size_t i = 0; i < n; i++) {
		const void *slot = items + i * size_of(field->type);

		if (i > 0)
			buf_add(out, ",", 1);
		if (map)
			add_entry(*(ProtobufCMessage *const *)slot, out);
		else
			add_value(field, slot, out);
	}
	buf_add(out, map ? "}" : "]", 1);
}

static bool is_default(const ProtobufCFieldDescriptor *field, const ProtobufCMessage *m)
{
	static const char zeroes[sizeof(uint64_t)];
	const void *slot = member(m, field->offset);

	if (field->label == PROTOBUF_C_LABEL_REPEATED)
		return *(const size_t *)member(m, field->quantifier_offset) == 0;
	if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
		return *(const uint32_t *)member(m, field->quantifier_offset) != field->id;
	if (field->type == PROTOBUF_C_TYPE_STRING)
		return !*(char *const *)slot || !**(char *const *)slot;
	if (field->type == PROTOBUF_C_TYPE_BYTES)
		return ((const ProtobufCBinaryData *)slot)->len == 0;
	return memcmp(slot, zeroes, size_of(field->type)) == 0;
}

void message_to_json(const ProtobufCMessage *m, struct buf *out)
{
	const ProtobufCMessageDescriptor *desc = m->descriptor;
	const char *between = "";

	buf_add(out, "{", 1);
	for (unsigned i = 0; i < desc->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &desc->fields[i];

		if (is_default(field, m))
			continue;
		buf_addf(out, "%s", between);
		between = ",";
		add_string(field->name, out);
		buf_add(out, ":", 1);
		if (field->label == PROTOBUF_C_LABEL_REPEATED)
			add_repeated(field, m, out);
		else
			add_value(field, member(m, field->offset), out);
	}
	buf_add(out, "}", 1);
}
