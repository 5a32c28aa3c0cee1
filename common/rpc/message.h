/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_RPC_MESSAGE_H
#define HUSK_RPC_MESSAGE_H

#include <protobuf-c/protobuf-c.h>

#include "proto/wire.h"

/* What protobuf-c does not do for messages of any type: limits on unpacking, valid UTF-8, fields by name. */

/*
 * As protobuf_c_message_unpack(), but the result takes at most MESSAGE_MEMORY_MAX: two bytes on the
 * wire can be a struct of some hundred, and the peer may be a guest. NULL: malformed or too much.
 * Released with protobuf_c_message_free_unpacked(m, NULL).
 */
#define MESSAGE_MEMORY_MAX (32u << 20) /* bytes */
ProtobufCMessage *message_unpack(const ProtobufCMessageDescriptor *type, struct slice bytes);

/* An initialised message of that type, for protobuf_c_message_free_unpacked(m, NULL). */
ProtobufCMessage *message_new(const ProtobufCMessageDescriptor *type);

/* The string field `name` of any message; "" if it has none. Borrowed. */
const char *message_string(const ProtobufCMessage *m, const char *name);

/* The name of the first field, at any depth, that is not valid UTF-8; NULL if all are. */
const char *message_bad_string(const ProtobufCMessage *m);

/* The same fields mended in place (utf8_clean()). They must be writable: from malloc(). */
void message_clean_strings(ProtobufCMessage *m);

#endif
