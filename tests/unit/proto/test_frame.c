/* SPDX-License-Identifier: Apache-2.0 */
/* The ttrpc frame: every prefix, the exact limit, there and back. */
#include "tests/lib/test.h"

#include "proto/frame.h"

static const uint8_t hello[] = {
	0, 0, 0, 5, 1, 2, 3, 4, FRAME_DATA, 0x85, 'h', 'e', 'l', 'l', 'o'
};

static void test_whole(void **state)
{
	uint8_t head[FRAME_HEADER_LEN];
	struct frame f;
	size_t used;

	(void)state;
	assert_int_equal(frame_decode(hello, sizeof(hello), &f, &used), FRAME_OK);
	assert_int_equal(used, sizeof(hello));
	assert_int_equal(f.stream, 0x01020304);
	assert_int_equal(f.type, FRAME_DATA);
	assert_int_equal(f.flags, 0x85);
	assert_int_equal(f.payload_len, 5);
	assert_ptr_equal(f.payload, hello + FRAME_HEADER_LEN);
	frame_header(&f, head);
	assert_memory_equal(head, hello, sizeof(head));
	frame_header_set_stream(head, 0xfffffffe);
	assert_memory_equal(head + 4, "\xff\xff\xff\xfe", 4);
	assert_memory_equal(head, hello, 4);
	assert_memory_equal(head + 8, hello + 8, 2);
}

/* A stream may be cut anywhere: less than a header says nothing, less than a frame its header. */
static void test_every_prefix(void **state)
{
	(void)state;
	for (size_t len = 0; len < sizeof(hello); len++) {
		struct frame f = { .stream = 77, .payload = hello };
		size_t used = 99;

		if (len < FRAME_HEADER_LEN) {
			assert_int_equal(frame_decode(hello, len, &f, &used), FRAME_SHORT);
			assert_int_equal(f.stream, 77);
			assert_int_equal(used, 99);
		} else {
			assert_int_equal(frame_decode(hello, len, &f, &used), FRAME_PARTIAL);
			assert_int_equal(f.stream, 0x01020304);
			assert_int_equal(used, FRAME_HEADER_LEN);
			assert_null(f.payload);
		}
	}
}

static void test_limit_is_exact(void **state)
{
	static const struct {
		uint32_t payload_len;
		enum frame_result want;
	} rows[] = {
		{ 0, FRAME_OK },
		{ 1, FRAME_PARTIAL },
		{ 4194304, FRAME_PARTIAL },
		{ 4194305, FRAME_TOO_LARGE },
		{ UINT32_MAX, FRAME_TOO_LARGE },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint32_t n = rows[i].payload_len;
		uint8_t h[FRAME_HEADER_LEN] = { (uint8_t)(n >> 24), (uint8_t)(n >> 16),
						(uint8_t)(n >> 8), (uint8_t)n };
		struct frame f;
		size_t used;

		assert_int_equal(frame_decode(h, sizeof(h), &f, &used), rows[i].want);
		assert_int_equal(f.payload_len, n);
		assert_int_equal(used, FRAME_HEADER_LEN);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_every_prefix),
		cmocka_unit_test(test_limit_is_exact),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
