/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_TESTS_MESSAGE_JSON_H
#define HUSK_TESTS_MESSAGE_JSON_H

#include <protobuf-c/protobuf-c.h>

#include "common/base/mem.h"
#include "common/json/json.h"

/*
 * Any protobuf message as JSON and back, by its descriptor. Fields are named as in the .proto file;
 * bytes are base64, maps are objects, an enum is its name (its number is taken too), 64-bit numbers
 * are numbers.
 *
 * A member whose name is a number becomes an unknown field of that number, length-delimited, with the
 * bytes of its base64: for asking what a peer does with fields it does not know.
 */

/* *ret is for protobuf_c_message_free_unpacked(). Errors name the place: "storages[1].options: …". */
int message_from_json(const struct json *v, const ProtobufCMessageDescriptor *desc,
		      ProtobufCMessage **ret, struct err *e) must_check;

/* One object on one line. Fields that have their default value are left out. */
void message_to_json(const ProtobufCMessage *m, struct buf *out);

#endif
