/* SPDX-License-Identifier: Apache-2.0 */
/* Request and Response read in place, against what the generated code writes. */
#include "tests/lib/test.h"

#include "proto/envelope.h"
#include "ttrpc.pb-c.h"

static bool same(struct slice s, const char *text)
{
	return s.len == strlen(text) && (s.len == 0 || memcmp(s.data, text, s.len) == 0);
}

static void test_request(void **state)
{
	char service[] = "grpc.Health", method[] = "Check", other[] = "traceparent", one[] = "one",
	     key[] = ENVELOPE_NAMESPACE_KEY, ns[] = "k8s.io", second[] = "later";
	Ttrpc__KeyValue pairs[3], *metadata[] = { &pairs[0], &pairs[1], &pairs[2] };
	uint8_t bytes[256], payload[] = { 1, 2, 3 };
	struct envelope_request r;
	Ttrpc__Request in;
	size_t len;

	(void)state;
	for (int i = 0; i < 3; i++)
		ttrpc__key_value__init(&pairs[i]);
	pairs[0].key = other;
	pairs[0].value = one;
	pairs[1].key = pairs[2].key = key;
	pairs[1].value = ns;
	pairs[2].value = second;
	ttrpc__request__init(&in);
	in.service = service;
	in.method = method;
	in.payload.data = payload;
	in.payload.len = sizeof(payload);
	in.timeout_nano = -5;
	in.metadata = metadata;
	in.n_metadata = 3;
	len = ttrpc__request__pack(&in, bytes);

	assert_true(envelope_read_request((struct slice){ bytes, len }, &r));
	assert_true(same(r.service, service));
	assert_true(same(r.method, method));
	assert_true(same(r.ns, ns));
	assert_int_equal(r.payload.len, 3);
	assert_memory_equal(r.payload.data, payload, 3);
	assert_in_range((uintptr_t)r.payload.data, (uintptr_t)bytes, (uintptr_t)bytes + len);
	assert_int_equal(r.timeout_ns, -5);

	/* Cut anywhere it is either malformed or ends between two fields; never read past its end. */
	for (size_t n = 0; n < len; n++) {
		uint8_t *exact = malloc(n ? n : 1);

		memcpy(exact, bytes, n);
		(void)envelope_read_request((struct slice){ exact, n }, &r);
		free(exact);
	}
}

static void test_malformed(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
	} rows[] = {
		{ "\x0a", 1 },             /* no length */
		{ "\x0a\x02x", 3 },        /* too short */
		{ "\x08\x01", 2 },         /* service as a number */
		{ "\x22\x01x", 3 },        /* timeout as bytes */
		{ "\x2a\x02\x0a\x05", 4 }, /* metadata that is cut short inside */
		{ "\x00\x00", 2 },         /* field 0 */
		{ "\x0b", 1 },             /* a group */
		{ "\x0f", 1 },             /* wire type 7 */
		{ "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12 }, /* varint of 11 bytes */
		{ "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11 },     /* length 2^64 - 1 */
		{ "\x31"
		  "1234567",
		  8 }, /* unknown fixed64, one byte short */
		{ "\x35"
		  "123",
		  4 }, /* unknown fixed32, one byte short */
	};
	struct envelope_response resp;
	struct envelope_request r;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_false(envelope_read_request((struct slice){ (const uint8_t *)rows[i].bytes,
								   rows[i].len },
						   &r));
	assert_false(
		envelope_read_response((struct slice){ (const uint8_t *)"\x0a\x02\x0a\x00", 4 },
				       &resp)); /* code as bytes */
	assert_false(envelope_read_response((struct slice){ (const uint8_t *)"\x08\x02", 2 },
					    &resp)); /* status as a number */
}

static void test_unknown_fields_are_skipped(void **state)
{
	static const char bytes[] = "\x31"
				    "12345678"
				    "\x35"
				    "1234"
				    "\x38\x80\x01"
				    "\x42\x01x"
				    "\x0a\x01s";
	struct envelope_request r;

	(void)state;
	assert_true(
		envelope_read_request((struct slice){ (const uint8_t *)bytes, sizeof(bytes) - 1 },
				      &r));
	assert_true(same(r.service, "s"));
}

static void test_response(void **state)
{
	char text[] = "not there";
	uint8_t bytes[64];
	Google__Rpc__Status status;
	struct envelope_response r;
	Ttrpc__Response in;
	size_t len;

	(void)state;
	google__rpc__status__init(&status);
	ttrpc__response__init(&in);
	in.status = &status;
	status.code = 5;
	status.message = text;
	len = ttrpc__response__pack(&in, bytes);
	assert_true(envelope_read_response((struct slice){ bytes, len }, &r));
	assert_int_equal(r.code, 5);
	assert_true(same(r.message, text));
	assert_int_equal(r.payload.len, 0);

	status.code = -1;
	len = ttrpc__response__pack(&in, bytes);
	assert_true(envelope_read_response((struct slice){ bytes, len }, &r));
	assert_int_equal(r.code, -1);

	assert_true(envelope_read_response((struct slice){ NULL, 0 }, &r));
	assert_int_equal(r.code, 0);
}

static void test_varint(void **state)
{
	static const uint64_t values[] = { 0, 1, 127, 128, 16383, 16384, UINT32_MAX, UINT64_MAX };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(values); i++) {
		uint8_t bytes[1 + WIRE_VARINT_MAX] = { 0x08 };
		size_t len = 1 + wire_put_varint(bytes + 1, values[i]);
		struct slice rest = { bytes, len };
		struct wire_field f;

		assert_int_equal(wire_next(&rest, &f), 1);
		assert_true(f.value == values[i]);
		assert_int_equal(wire_next(&rest, &f), 0);
		rest = (struct slice){ bytes, len - 1 };
		assert_int_equal(wire_next(&rest, &f), -1);
	}
}

/* What may end in a pipe: a success with that one field up to the end, and nothing else. */
static void test_ends_in(void **state)
{
	static const struct {
		const char *head;
		size_t len, total, before; /* before 0: no */
	} cases[] = {
		{ "\x12\x66\x0a\x64", 4, 104, 4 },                 /* payload { 1: 100 bytes } */
		{ "\x0a\x00\x12\x66\x0a\x64", 6, 106, 6 },         /* an empty status before */
		{ "\x0a\x02\x08\x00\x12\x66\x0a\x64", 8, 108, 8 }, /* status 0 */
		{ "\x0a\x02\x08\x05\x12\x66\x0a\x64", 8, 108, 0 }, /* status 5 */
		{ "\x12\x66\x0a\x64", 4, 105, 0 },                 /* something behind it */
		{ "\x12\x66\x0a\x63", 4, 104, 0 },                 /* a field behind it */
		{ "\x12\x66\x12\x64", 4, 104, 0 },                 /* another field */
		{ "\x12\x66\x08\x64", 4, 104, 0 },                 /* a number */
		{ "\x12\x66", 2, 104, 0 },                         /* cut short */
		{ "\x0a\x64", 2, 102, 0 },                         /* a long status */
		{ "\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11, 104, 0 },
		{ "", 0, 104, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct slice head = { (const uint8_t *)cases[i].head, cases[i].len };
		size_t before = 0;

		if (envelope_ends_in(head, cases[i].total, 1, &before) != (cases[i].before > 0) ||
		    before != cases[i].before)
			fail_msg("case %zu: %zu", i, before);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_request),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_unknown_fields_are_skipped),
		cmocka_unit_test(test_response),
		cmocka_unit_test(test_varint),
		cmocka_unit_test(test_ends_in),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
