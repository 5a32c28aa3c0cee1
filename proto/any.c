/* SPDX-License-Identifier: Apache-2.0 */
/* google.protobuf.Any with containerd's rules for type names. */
#include "proto/any.h"

#include <stdlib.h>
#include <string.h>

const char *any_type_name(const char *type_url)
{
	const char *slash = strrchr(type_url, '/');

	return slash ? slash + 1 : type_url;
}

bool any_is(const Google__Protobuf__Any *any, const char *name)
{
	return strcmp(any->type_url, name) == 0 || strcmp(any_type_name(any->type_url), name) == 0;
}

/* This directory is below the one with the allocating functions that abort. */
static void *alloc(size_t n)
{
	void *p = malloc(n > 0 ? n : 1);

	if (!p)
		abort();
	return p;
}

/* An Any of this type with room for len bytes of value. */
static Google__Protobuf__Any *any_alloc(const char *name, size_t len)
{
	Google__Protobuf__Any *any = alloc(sizeof(*any));
	size_t name_len = strlen(name);

	google__protobuf__any__init(any);
	any->type_url = alloc(name_len + 1);
	memcpy(any->type_url, name, name_len + 1);
	any->value.data = alloc(len);
	any->value.len = len;
	return any;
}

Google__Protobuf__Any *any_pack(const ProtobufCMessage *message)
{
	Google__Protobuf__Any *any =
		any_alloc(message->descriptor->name, protobuf_c_message_get_packed_size(message));

	(void)protobuf_c_message_pack(message, any->value.data);
	return any;
}

Google__Protobuf__Any *any_new(const char *name, const void *value, size_t len)
{
	Google__Protobuf__Any *any = any_alloc(name, len);

	if (len > 0)
		memcpy(any->value.data, value, len);
	return any;
}

void *any_unpack(const Google__Protobuf__Any *any, const ProtobufCMessageDescriptor *type)
{
	if (!any || !any_is(any, type->name))
		return NULL;
	return protobuf_c_message_unpack(type, NULL, any->value.len, any->value.data);
}
