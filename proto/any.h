/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_PROTO_ANY_H
#define HUSK_PROTO_ANY_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>

#include "google/protobuf/any.pb-c.h"

/*
 * google.protobuf.Any as containerd names types: written as the bare full name of the message
 * ("containerd.events.TaskExit"; containerd 1.6 knows no other form), read with or without a prefix
 * that ends in a slash ("type.googleapis.com/…", as protobuf's own libraries write it).
 *
 * Nothing here reports why: what a peer sent is either of the type asked for or it is not, and the
 * caller knows what was to be in it. Out of memory aborts, as everywhere in husk.
 */

/* The name in `type_url` without its prefix, borrowed from it. */
const char *any_type_name(const char *type_url);

/*
 * Is this of the type called `name`? Types whose full name is itself a path, as containerd's JSON
 * payloads ("types.containerd.io/opencontainers/runtime-spec/1/Process"), match as a whole too.
 */
bool any_is(const Google__Protobuf__Any *any, const char *name);

/* A new Any that holds `message`, for google__protobuf__any__free_unpacked(any, NULL). */
Google__Protobuf__Any *any_pack(const ProtobufCMessage *message);

/* The same from bytes that are encoded already (JSON). They are copied. */
Google__Protobuf__Any *any_new(const char *name, const void *value, size_t len);

/*
 * The message in `any`, for protobuf_c_message_free_unpacked(). NULL if `any` is NULL, of another
 * type, or if its bytes do not decode.
 */
void *any_unpack(const Google__Protobuf__Any *any, const ProtobufCMessageDescriptor *type);

#endif
