/* SPDX-License-Identifier: Apache-2.0 */
/* Request and Response of ttrpc, read without copying; see envelope.h. */
#include "proto/envelope.h"

/* A field of the wrong wire type makes the message malformed, as it does in the generated code. */
static bool take_bytes(const struct wire_field *f, struct slice *ret)
{
	if (f->type != WIRE_BYTES)
		return false;
	*ret = f->bytes;
	return true;
}

/* A KeyValue; keeps its value if it is the namespace and the first of them. */
static bool read_metadata(struct slice rest, struct slice *ns)
{
	struct slice key = { NULL, 0 }, value = { NULL, 0 };
	struct wire_field f;
	int more;

	while ((more = wire_next(&rest, &f)) > 0) {
		if ((f.number == 1 && !take_bytes(&f, &key)) ||
		    (f.number == 2 && !take_bytes(&f, &value)))
			return false;
	}
	if (more == 0 && !ns->data && slice_is(key, ENVELOPE_NAMESPACE_KEY))
		*ns = value;
	return more == 0;
}

bool envelope_read_request(struct slice frame, struct envelope_request *ret)
{
	struct envelope_request r = { .timeout_ns = 0 };
	struct wire_field f;
	bool good = true;
	int more = 0;

	while (good && (more = wire_next(&frame, &f)) > 0) {
		switch (f.number) {
		case 1:
			good = take_bytes(&f, &r.service);
			break;
		case 2:
			good = take_bytes(&f, &r.method);
			break;
		case ENVELOPE_REQUEST_PAYLOAD:
			good = take_bytes(&f, &r.payload);
			break;
		case 4:
			good = f.type == WIRE_VARINT;
			r.timeout_ns = (int64_t)f.value;
			break;
		case 5:
			good = f.type == WIRE_BYTES && read_metadata(f.bytes, &r.ns);
			break;
		default: /* of a newer ttrpc */
			break;
		}
	}
	if (!good || more < 0)
		return false;
	*ret = r;
	return true;
}

static bool read_status(struct slice rest, struct envelope_response *r)
{
	struct wire_field f;
	int more;

	while ((more = wire_next(&rest, &f)) > 0) {
		if (f.number == 1 && f.type == WIRE_VARINT)
			r->code = (int32_t)f.value;
		else if (f.number == 1 || (f.number == 2 && !take_bytes(&f, &r->message)))
			return false;
	}
	return more == 0;
}

bool envelope_read_response(struct slice frame, struct envelope_response *ret)
{
	struct envelope_response r = { .code = 0 };
	struct wire_field f;
	bool good = true;
	int more = 0;

	while (good && (more = wire_next(&frame, &f)) > 0) {
		if (f.number == 1)
			good = f.type == WIRE_BYTES && read_status(f.bytes, &r);
		else if (f.number == ENVELOPE_RESPONSE_PAYLOAD)
			good = take_bytes(&f, &r.payload);
	}
	if (!good || more < 0)
		return false;
	*ret = r;
	return true;
}

bool envelope_ends_in(struct slice head, size_t total, uint32_t field, size_t *ret_before)
{
	struct envelope_response r = { .code = 0 };
	struct slice rest = head;
	uint32_t number;
	uint64_t len;

	if (!wire_next_key(&rest, &number, &len))
		return false;
	if (number == 1) {
		if (len > rest.len || !read_status((struct slice){ rest.data, (size_t)len }, &r) ||
		    r.code != 0)
			return false;
		rest = (struct slice){ rest.data + len, rest.len - (size_t)len };
		if (!wire_next_key(&rest, &number, &len))
			return false;
	}
	if (number != ENVELOPE_RESPONSE_PAYLOAD || len != total - (head.len - rest.len) ||
	    !wire_next_key(&rest, &number, &len) || number != field ||
	    len != total - (head.len - rest.len))
		return false;
	*ret_before = head.len - rest.len;
	return true;
}
