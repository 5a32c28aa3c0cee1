/* SPDX-License-Identifier: Apache-2.0 */
/* Storage options to parameters and back, and what becomes of them in the kernel's table. */
#include "tests/lib/test.h"

#include <stdio.h>

#include "common/base/mem.h"
#include "common/verity/verity.h"

#define ROOT256 "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define ON      "X-kata.dmverity-enabled=true"
#define HASH    "X-kata.dmverity.roothash=" ROOT256
#define OFFSET  "X-kata.dmverity.hashoffset=303104"
#define WORDS   6

static int parse(const char *const words[WORDS], struct verity_params *ret, struct err *e)
{
	char *option[WORDS];
	size_t n = 0;

	for (size_t i = 0; i < WORDS && words[i]; i++)
		option[n++] = (char *)(uintptr_t)words[i];
	return verity_options_parse(option, n, ret, e);
}

static void test_bad(void **state)
{
	static const struct {
		const char *words[WORDS];
		const char *part;
	} cases[] = {
		{ { ON, OFFSET }, "X-kata.dmverity.roothash: is missing" },
		{ { ON, HASH }, "X-kata.dmverity.hashoffset: is missing" },
		{ { HASH, OFFSET }, "X-kata.dmverity-enabled: is not true" },
		{ { "X-kata.dmverity-enabled=false", HASH }, "X-kata.dmverity-enabled: is not" },
		{ { "X-kata.dmverity-enabled=yes" }, "X-kata.dmverity-enabled: 'yes'" },
		{ { ON, ON, HASH, OFFSET }, "X-kata.dmverity-enabled: given twice" },
		{ { ON, HASH, HASH, OFFSET }, "X-kata.dmverity.roothash: given twice" },
		{ { ON, "X-kata.dmverity.roothash=", OFFSET }, "X-kata.dmverity.roothash: ''" },
		{ { ON, "X-kata.dmverity.roothash=0011", OFFSET }, "roothash: 4 hex digits" },
		{ { ON, "X-kata.dmverity.roothash=0x11", OFFSET },
		  "X-kata.dmverity.roothash: '0x" },
		{ { ON, "X-kata.dmverity.roothash=001", OFFSET },
		  "X-kata.dmverity.roothash: '001'" },
		{ { ON, HASH, "X-kata.dmverity.hashoffset=0" }, "X-kata.dmverity.hashoffset: 0" },
		{ { ON, HASH, "X-kata.dmverity.hashoffset=4095" }, "hashoffset: 4095 is no mult" },
		{ { ON, HASH, "X-kata.dmverity.hashoffset=-4096" }, "hashoffset: '-4096'" },
		{ { ON, HASH, "X-kata.dmverity.hashoffset=18446744073709547520" }, "too large" },
		{ { ON, HASH, OFFSET, "X-kata.dmverity.blocksize=0" }, "blocksize: 0 is no power" },
		{ { ON, HASH, OFFSET, "X-kata.dmverity.blocksize=256" }, "blocksize: 256" },
		{ { ON, HASH, OFFSET, "X-kata.dmverity.blocksize=1000" }, "blocksize: 1000" },
		{ { ON, HASH, OFFSET, "X-kata.dmverity.blocksize=131072" }, "blocksize: 131072" },
		{ { ON, HASH, OFFSET, "X-kata.dmverity.hashsize=0" }, "hashsize: 0 is no power" },
		{ { ON, HASH, "X-kata.dmverity.hashoffset=512", "X-kata.dmverity.blocksize=512" },
		  "hashoffset: 512 is no multiple of the hash block size" },
		{ { ON, HASH, OFFSET, "X-kata.dmverity.algorithm=md5" }, "algorithm: 'md5'" },
		{ { ON, HASH, OFFSET, "X-kata.dmverity.algorithm=" }, "algorithm: ''" },
		{ { ON, HASH, OFFSET, "X-kata.dmverity.algorithm=sha512" }, "sha512 has 128" },
		{ { ON, HASH, OFFSET, "X-kata.dmverity.hashtype=2" }, "hashtype: 2 is neither" },
		{ { ON, HASH, OFFSET, "X-kata.dmverity.no-superblock=1" }, "no-superblock: '1'" },
		{ { ON, HASH, OFFSET, "X-kata.dmverity.salt=0" }, "X-kata.dmverity.salt: '0'" },
		{ { ON, HASH, OFFSET, "X-kata.dmverity.salt=zz" }, "X-kata.dmverity.salt: 'zz'" },
		{ { ON, HASH, OFFSET, "X-kata.dmverity.fec=1" },
		  "X-kata.dmverity.fec=1: there is no" },
		{ { ON, HASH, OFFSET, "X-kata.dmverity" }, "X-kata.dmverity: there is no" },
	};
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct verity_params p = { .hash_type = 77 };

		assert_err(parse(cases[i].words, &p, &e), &e, ERR_INVALID, cases[i].part);
		assert_int_equal(p.hash_type, 77);
	}
}

static void test_salt_limit(void **state)
{
	char word[64 + 2 * VERITY_SALT_MAX + 2];
	const char *const words[WORDS] = { ON, HASH, OFFSET, word };
	struct verity_params p;
	struct err e = ERR_INIT;
	int prefix = snprintf(word, sizeof(word), "X-kata.dmverity.salt=");

	(void)state;
	memset(word + prefix, 'A', 2 * VERITY_SALT_MAX);
	word[prefix + 2 * (int)VERITY_SALT_MAX] = '\0';
	assert_ok(parse(words, &p, &e), &e);
	assert_int_equal(strlen(p.salt), 2 * VERITY_SALT_MAX);
	assert_int_equal(p.salt[0], 'a');
	(void)snprintf(word + prefix + 2 * (int)VERITY_SALT_MAX, 3, "aa");
	assert_err(parse(words, &p, &e), &e, ERR_INVALID, "X-kata.dmverity.salt");
}

static void test_not_asked(void **state)
{
	static const struct {
		const char *words[WORDS];
	} cases[] = {
		{ { NULL } },
		{ { "ro", "X-kata.multi-layer=true", "X-kata.partition-number=1" } },
		{ { "X-kata.dmverity-enabled=false" } },
	};
	struct verity_params p;
	struct err e = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(parse(cases[i].words, &p, &e), 0);
}

/* The measured examples of verity-erofs 9.1. */
static void test_table(void **state)
{
	static const struct {
		const char *words[WORDS];
		const char *table;
		uint64_t sectors;
	} cases[] = {
		{ { ON, HASH, OFFSET, "X-kata.dmverity.salt=00ff", "ro" },
		  "1 254:0 254:0 4096 4096 74 75 sha256 " ROOT256 " 00ff",
		  592 },
		{ { ON, HASH, OFFSET, "X-kata.dmverity.no-superblock=true" },
		  "1 254:0 254:0 4096 4096 74 74 sha256 " ROOT256 " -",
		  592 },
		{ { ON, HASH, OFFSET, "X-kata.dmverity.blocksize=512",
		    "X-kata.dmverity.hashsize=512", "X-kata.dmverity.salt=-" },
		  "1 254:0 254:0 512 512 592 593 sha256 " ROOT256 " -",
		  592 },
		{ { ON, HASH, OFFSET, "X-kata.dmverity.blocksize=512", "X-kata.dmverity.salt=" },
		  "1 254:0 254:0 512 4096 592 75 sha256 " ROOT256 " -",
		  592 },
		{ { ON, HASH, OFFSET, "X-kata.dmverity.hashsize=1024",
		    "X-kata.dmverity.hashtype=0" },
		  "0 254:0 254:0 4096 1024 74 297 sha256 " ROOT256 " -",
		  592 },
		{ { ON, HASH, "X-kata.dmverity.hashoffset=4096" },
		  "1 254:0 254:0 4096 4096 1 2 sha256 " ROOT256 " -",
		  8 },
	};
	struct err e = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct verity_params p;
		auto_free char *table = NULL;

		assert_int_equal(parse(cases[i].words, &p, &e), 1);
		table = verity_table(&p, "254:0");
		assert_string_equal(table, cases[i].table);
		assert_int_equal(verity_sectors(&p), cases[i].sectors);
	}
}

static void test_round_trip(void **state)
{
	static const struct verity_params all[] = {
		{ .algorithm = "sha256",
		  .hash_type = 1,
		  .data_block_size = 4096,
		  .hash_block_size = 4096,
		  .data_blocks = 3,
		  .hash_offset = 12288,
		  .root_hash = ROOT256 },
		{ .algorithm = "sha512",
		  .hash_type = 0,
		  .data_block_size = 512,
		  .hash_block_size = 1024,
		  .data_blocks = 4,
		  .hash_offset = 2048,
		  .no_superblock = true,
		  .root_hash = ROOT256 ROOT256,
		  .salt = "0123456789abcdef" },
	};
	struct err e = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		auto_strv char **option = NULL;
		struct verity_params p;

		verity_options_add(&all[i], &option);
		assert_int_equal(verity_options_parse(option, strv_len((const char *const *)option),
						      &p, &e),
				 1);
		assert_memory_equal(&p, &all[i], sizeof(p));
	}
}

static void test_name(void **state)
{
	struct verity_params p = { .hash_offset = UINT64_MAX, .root_hash = ROOT256 ROOT256 };
	char name[VERITY_NAME_MAX + 1];
	char other[VERITY_NAME_MAX + 1];
	char cid[200];

	(void)state;
	memset(cid, 'c', sizeof(cid) - 1);
	cid[sizeof(cid) - 1] = '\0';
	verity_device_name(name, &p, "nvme0n1p123456789", cid, UINT32_MAX);
	verity_device_name(other, &p, "nvme0n1p123456789", cid, UINT32_MAX - 1);
	assert_true(strlen(name) < VERITY_NAME_MAX);
	assert_string_not_equal(name, other);
	p.hash_offset = 4096;
	verity_device_name(name, &p, "vda1", "c1", 7);
	assert_string_equal(name, "kata-verity-vda1-off4096-00112233445566778899aabbccddeeff-7-c1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad),        cmocka_unit_test(test_salt_limit),
		cmocka_unit_test(test_not_asked),  cmocka_unit_test(test_table),
		cmocka_unit_test(test_round_trip), cmocka_unit_test(test_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
