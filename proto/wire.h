/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_PROTO_WIRE_H
#define HUSK_PROTO_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The protobuf wire format, field by field: for the one place where unpacking with the library
 * would copy a megabyte (proto/envelope.h). Source: protobuf.dev, "Encoding".
 */

/* Bytes that belong to somebody else; not NUL-terminated. */
struct slice {
	const uint8_t *data;
	size_t len;
};

bool slice_is(struct slice s, const char *text);

enum wire_type {
	WIRE_VARINT = 0,
	WIRE_FIXED64 = 1,
	WIRE_BYTES = 2, /* strings, bytes, messages, packed numbers */
	WIRE_FIXED32 = 5,
};

struct wire_field {
	uint32_t number;
	enum wire_type type;
	uint64_t value;     /* of the three number types */
	struct slice bytes; /* of WIRE_BYTES; points into the message */
};

/*
 * Take the first field off *rest. 1: *ret is set; 0: *rest is empty; -1: no protobuf (cut short, a
 * varint of more than ten bytes, field number 0, or a group, which nobody sends any more).
 */
int wire_next(struct slice *rest, struct wire_field *ret);

/*
 * What stands in front of a WIRE_BYTES field, taken off *rest; the bytes themselves need not be there.
 * False: it is not there completely, or is a field of another type.
 */
bool wire_next_key(struct slice *rest, uint32_t *ret_number, uint64_t *ret_len);

#define WIRE_VARINT_MAX 10u /* bytes */
/* Returns the number of bytes written, 1 to WIRE_VARINT_MAX. */
size_t wire_put_varint(uint8_t out[static WIRE_VARINT_MAX], uint64_t v);

#define WIRE_KEY_MAX (2 * WIRE_VARINT_MAX) /* bytes */
/* The opposite of wire_next_key(). Returns the number of bytes written. */
size_t wire_put_key(uint8_t out[static WIRE_KEY_MAX], uint32_t number, uint64_t len);

#endif
