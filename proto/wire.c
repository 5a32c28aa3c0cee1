/* SPDX-License-Identifier: Apache-2.0 */
/* Protobuf fields, one by one; see wire.h. */
#include "proto/wire.h"

#include <endian.h>
#include <string.h>

bool slice_is(struct slice s, const char *text)
{
	size_t len = strlen(text);

	return s.len == len && memcmp(s.data, text, len) == 0;
}

static bool get_varint(struct slice *s, uint64_t *ret)
{
	uint64_t v = 0;

	for (size_t i = 0; i < s->len && i < WIRE_VARINT_MAX; i++) {
		v |= (uint64_t)(s->data[i] & 0x7f) << (7 * i);
		if (!(s->data[i] & 0x80)) {
			s->data += i + 1;
			s->len -= i + 1;
			*ret = v;
			return true;
		}
	}
	return false;
}

static bool get_bytes(struct slice *s, uint64_t len, struct slice *ret)
{
	if (len > s->len)
		return false;
	*ret = (struct slice){ s->data, (size_t)len };
	s->data += len;
	s->len -= (size_t)len;
	return true;
}

bool wire_next_key(struct slice *rest, uint32_t *ret_number, uint64_t *ret_len)
{
	uint64_t key, len;

	if (!get_varint(rest, &key) || key >> 3 == 0 || key > UINT32_MAX ||
	    (key & 7) != WIRE_BYTES || !get_varint(rest, &len))
		return false;
	*ret_number = (uint32_t)(key >> 3);
	*ret_len = len;
	return true;
}

int wire_next(struct slice *rest, struct wire_field *ret)
{
	struct wire_field f = { .number = 0 };
	struct slice raw;
	uint32_t v32;
	uint64_t n;

	if (rest->len == 0)
		return 0;
	if (!get_varint(rest, &n) || n >> 3 == 0 || n > UINT32_MAX)
		return -1;
	f.number = (uint32_t)(n >> 3);

	switch (n & 7) {
	case WIRE_VARINT:
		f.type = WIRE_VARINT;
		if (!get_varint(rest, &f.value))
			return -1;
		break;
	case WIRE_FIXED64:
		f.type = WIRE_FIXED64;
		if (!get_bytes(rest, sizeof(f.value), &raw))
			return -1;
		memcpy(&f.value, raw.data, sizeof(f.value));
		f.value = le64toh(f.value);
		break;
	case WIRE_BYTES:
		f.type = WIRE_BYTES;
		if (!get_varint(rest, &n) || !get_bytes(rest, n, &f.bytes))
			return -1;
		break;
	case WIRE_FIXED32:
		f.type = WIRE_FIXED32;
		if (!get_bytes(rest, sizeof(v32), &raw))
			return -1;
		memcpy(&v32, raw.data, sizeof(v32));
		f.value = le32toh(v32);
		break;
	default:
		return -1;
	}
	*ret = f;
	return 1;
}

size_t wire_put_varint(uint8_t out[static WIRE_VARINT_MAX], uint64_t v)
{
	size_t n = 0;

	for (; v >= 0x80; v >>= 7)
		out[n++] = (uint8_t)(v | 0x80);
	out[n++] = (uint8_t)v;
	return n;
}

size_t wire_put_key(uint8_t out[static WIRE_KEY_MAX], uint32_t number, uint64_t len)
{
	size_t n = wire_put_varint(out, (uint64_t)number << 3 | WIRE_BYTES);

	return n + wire_put_varint(out + n, len);
}
