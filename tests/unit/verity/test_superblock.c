/* SPDX-License-Identifier: Apache-2.0 */
/* Superblocks, whole and with each field wrong in turn. */
#include "tests/lib/test.h"

#include "common/verity/verity.h"

static void make(uint8_t sb[VERITY_SUPERBLOCK_BYTES])
{
	memset(sb, 0, VERITY_SUPERBLOCK_BYTES);
	memcpy(sb, "verity", 6);
	sb[8] = 1;
	sb[12] = 1;
	memcpy(sb + 32, "sha256", 6);
	sb[65] = 0x10; /* 4096 */
	sb[69] = 0x02; /* 512 */
	sb[72] = 74;
	sb[80] = 2;
	sb[88] = 0xab;
	sb[89] = 0x01;
}

static void test_good(void **state)
{
	uint8_t sb[VERITY_SUPERBLOCK_BYTES];
	struct verity_params p = { .hash_offset = 5, .root_hash = "00" };
	struct err e = ERR_INIT;

	(void)state;
	make(sb);
	assert_true(verity_superblock_present(sb));
	assert_ok(verity_superblock_parse(sb, &p, &e), &e);
	assert_string_equal(p.algorithm, "sha256");
	assert_string_equal(p.salt, "ab01");
	assert_int_equal(p.hash_type, 1);
	assert_int_equal(p.data_block_size, 4096);
	assert_int_equal(p.hash_block_size, 512);
	assert_int_equal(p.data_blocks, 74);
	assert_int_equal(p.hash_offset, 5);
	assert_string_equal(p.root_hash, "00");
	/* No salt is no salt: 32 zero bytes would be another tree. */
	sb[80] = 0;
	assert_ok(verity_superblock_parse(sb, &p, &e), &e);
	assert_string_equal(p.salt, "");
	sb[81] = 1;
	assert_ok(verity_superblock_parse(sb, &p, &e), &e);
	assert_int_equal(strlen(p.salt), 512);
}

static void test_bad(void **state)
{
	static const struct {
		size_t at;
		uint8_t value;
		const char *part;
	} cases[] = {
		{ 0, 'V', "no verity superblock" },
		{ 7, 1, "no verity superblock" },
		{ 8, 2, "version 2" },
		{ 12, 2, "hash type 2" },
		{ 15, 1, "hash type 16777217" },
		{ 32, 0, "algorithm is no name" },
		{ 33, ' ', "algorithm is no name" },
		{ 34, 0xff, "algorithm is no name" },
		{ 81, 0x10, "a salt of 4098 bytes" },
		{ 81, 1, "a salt of 258 bytes" },
	};
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		uint8_t sb[VERITY_SUPERBLOCK_BYTES];
		struct verity_params p = { .data_blocks = 9 };

		make(sb);
		sb[cases[i].at] = cases[i].value;
		assert_err(verity_superblock_parse(sb, &p, &e), &e, ERR_INVALID, cases[i].part);
		assert_int_equal(p.data_blocks, 9);
	}
}

/* The name may fill its field, without a NUL: then it is too long for any that there is. */
static void test_algorithm_fills_field(void **state)
{
	uint8_t sb[VERITY_SUPERBLOCK_BYTES];
	struct verity_params p;
	struct err e;

	(void)state;
	make(sb);
	memset(sb + 32, 'a', 32);
	assert_err(verity_superblock_parse(sb, &p, &e), &e, ERR_INVALID, "algorithm");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_algorithm_fills_field),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
