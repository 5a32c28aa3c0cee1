/* SPDX-License-Identifier: Apache-2.0 */
/* Groups of layers: who is what, in which order, and what is refused before anything is mounted. */
#include "tests/lib/test.h"

#include <stdio.h>

#include "agent/storage/layers_plan.h"
#include "common/base/mem.h"

#define M    "X-kata.multi-layer=true"
#define UP   "X-kata.overlay-upper"
#define LOW  "X-kata.overlay-lower"
#define GPT  "X-kata.gpt-partitioned=true"
#define PART "X-kata.partition-number="
#define ROOT "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define ON   "X-kata.dmverity-enabled=true"
#define BLOB "X-husk.blob-of-partition="

#define MEMBERS 4
#define WORDS   7

struct member {
	const char *fstype, *mount_point;
	const char *words[WORDS];
};

struct group {
	Grpc__Storage storage[MEMBERS];
	Grpc__Storage *list[MEMBERS];
	char *word[MEMBERS][WORDS];
	size_t n;
};

static void make(struct group *g, const struct member members[MEMBERS])
{
	memset(g, 0, sizeof(*g));
	for (; g->n < MEMBERS && members[g->n].fstype; g->n++) {
		const struct member *m = &members[g->n];
		Grpc__Storage *s = &g->storage[g->n];

		grpc__storage__init(s);
		s->fstype = (char *)(uintptr_t)m->fstype;
		s->mount_point = (char *)(uintptr_t)m->mount_point;
		s->options = g->word[g->n];
		for (size_t i = 0; i < WORDS && m->words[i]; i++)
			s->options[s->n_options++] = (char *)(uintptr_t)m->words[i];
		g->list[g->n] = s;
	}
}

static void test_order(void **state)
{
	static const struct member members[MEMBERS] = {
		{ "erofs", "/c", { LOW, M, GPT, PART "3" } },
		{ "ext4", "/u", { "rw", UP, M, "X-kata.mkdir.path={{ mount 0 }}/a:0700" } },
		{ "erofs", "/b", { LOW, M, GPT, PART "1", "X-kata.mkdir.path={{ mount 1 }}/b/c" } },
		{ "erofs", "/d", { LOW, M, GPT, PART "2" } },
	};
	auto_layers_plan struct layers_plan p = { .n = 0 };
	const char *target;
	struct group g;
	struct err e = ERR_INIT;

	(void)state;
	make(&g, members);
	assert_ok(layers_target(g.list, g.n, &target, &e), &e);
	assert_string_equal(target, "/u");
	assert_ok(layers_plan_make(g.list, g.n, &p, &e), &e);
	assert_ptr_equal(p.upper, &g.storage[1]);
	assert_int_equal(p.n, 3);
	assert_ptr_equal(p.lower[0].storage, &g.storage[2]);
	assert_ptr_equal(p.lower[1].storage, &g.storage[3]);
	assert_ptr_equal(p.lower[2].storage, &g.storage[0]);
	assert_int_equal(p.lower[2].partition, 3);
	assert_string_equal(p.mkdirs[0], "0/a");
	assert_string_equal(p.mkdirs[1], "1/b/c");
	assert_null(p.mkdirs[2]);
}

/* One layer on its own disk, verified, without anything to write to but memory. */
static void test_single(void **state)
{
	static const struct member members[MEMBERS] = {
		{ "erofs",
		  "/r",
		  { LOW, M, ON, "X-kata.dmverity.roothash=" ROOT,
		    "X-kata.dmverity.hashoffset=8192" } },
	};
	auto_layers_plan struct layers_plan p = { .n = 0 };
	const char *target;
	struct group g;
	struct err e = ERR_INIT;

	(void)state;
	make(&g, members);
	assert_ok(layers_target(g.list, g.n, &target, &e), &e);
	assert_string_equal(target, "/r");
	assert_ok(layers_plan_make(g.list, g.n, &p, &e), &e);
	assert_null(p.upper);
	assert_true(p.lower[0].verified);
	assert_int_equal(p.lower[0].partition, 0);
	assert_int_equal(p.lower[0].verity.data_blocks, 2);
}

/* A layer above a merged image of two blobs, the second of them verified. */
static void test_blobs(void **state)
{
	static const struct member members[MEMBERS] = {
		{ "erofs", "/r", { LOW, M, GPT, PART "1" } },
		{ "erofs", "/r", { LOW, M, GPT, PART "2" } },
		{ "erofs", "/r", { BLOB "2", M, GPT, PART "3" } },
		{ "erofs",
		  "/r",
		  { BLOB "2", M, GPT, PART "4", ON, "X-kata.dmverity.roothash=" ROOT,
		    "X-kata.dmverity.hashoffset=8192" } },
	};
	auto_layers_plan struct layers_plan p = { .n = 0 }, other = { .n = 0 };
	struct group g;
	struct err e = ERR_INIT;

	(void)state;
	make(&g, members);
	assert_ok(layers_plan_make(g.list, g.n, &p, &e), &e);
	assert_int_equal(p.n, 2);
	assert_int_equal(p.n_blobs, 2);
	assert_int_equal(p.lower[1].partition, 2);
	assert_int_equal(p.blob[0].partition, 3);
	assert_int_equal(p.blob[0].blob_of, 2);
	assert_false(p.blob[0].verified);
	assert_int_equal(p.blob[1].partition, 4);
	assert_true(p.blob[1].verified);
	g.storage[3].source = (char *)(uintptr_t) "0f/00";
	assert_err(layers_plan_make(g.list, g.n, &other, &e), &e, ERR_INVALID, "another disk");
}

static void test_upper_directory(void **state)
{
	static const struct member members[MEMBERS] = {
		{ "bind",
		  "/r",
		  { "bind", UP, M, "X-husk.upper-directory=fs", "X-husk.work-directory=w" } },
		{ "erofs", "/r", { LOW, M } },
	};
	auto_layers_plan struct layers_plan p = { .n = 0 };
	struct group g;
	struct err e = ERR_INIT;

	(void)state;
	make(&g, members);
	assert_ok(layers_plan_make(g.list, g.n, &p, &e), &e);
	assert_true(p.upper_is_directory);
	assert_string_equal(p.upper_name, "fs");
	assert_string_equal(p.work_name, "w");
}

static void test_bad(void **state)
{
	static const struct {
		struct member members[MEMBERS];
		const char *part;
	} cases[] = {
		{ { { "ext4", "/u", { UP, M } } }, "no layers to read from" },
		{ { { "ext4", "/u", { UP, M } }, { "ext4", "/v", { M } } },
		  "layer 2 of the request: there is more than one writable layer" },
		{ { { "xfs", "/u", { UP, M } } }, "ext4, not 'xfs'" },
		{ { { "bind", "/u", { UP, M, "X-husk.upper-directory=fs" } } }, "is missing" },
		{ { { "bind",
		      "/u",
		      { UP, M, "X-husk.upper-directory=..", "X-husk.work-directory=w" } } },
		  "'..' is no name" },
		{ { { "bind",
		      "/u",
		      { UP, M, "X-husk.upper-directory=a/b", "X-husk.work-directory=w" } } },
		  "'a/b' is no name" },
		{ { { "ext4", "/u", { LOW, M } } }, "erofs, not 'ext4'" },
		{ { { "squashfs", "/u", { M } } }, "erofs, not 'squashfs'" },
		{ { { "erofs", "/u", { LOW, M, GPT } } }, "partition-number: is missing" },
		{ { { "erofs", "/u", { LOW, M, GPT, PART "0" } } }, "partition-number: '0'" },
		{ { { "erofs", "/u", { LOW, M, GPT, PART "129" } } }, "partition-number: '129'" },
		{ { { "erofs", "/u", { LOW, M, GPT, PART "x" } } }, "partition-number: 'x'" },
		{ { { "erofs", "/u", { LOW, M, PART "1" } } }, "the disk has no partitions" },
		{ { { "erofs", "/u", { LOW, M } }, { "erofs", "/v", { LOW, M, GPT, PART "1" } } },
		  "some layers are partitions" },
		{ { { "erofs", "/u", { LOW, M, "X-kata.mkdir.path=/etc" } } },
		  "is not in a layer" },
		{ { { "erofs", "/u", { LOW, M, "X-kata.mkdir.path={{ mount 2 }}/x" } } },
		  "is not in a layer" },
		{ { { "erofs", "/u", { LOW, M, ON } } }, "X-kata.dmverity.hashoffset: is missing" },
		{ { { "erofs", "/u", { BLOB "1", M, GPT, PART "2" } } }, "no layers to read from" },
		{ { { "erofs", "/u", { LOW, M, GPT, PART "1" } },
		    { "erofs", "/u", { BLOB "7", M, GPT, PART "2" } } },
		  "partition 7 is no layer" },
		{ { { "erofs", "/u", { LOW, M, GPT, PART "1" } },
		    { "erofs", "/u", { BLOB "2", M, GPT, PART "2" } } },
		  "partition 2 is no layer" },
		{ { { "erofs", "/u", { LOW, M, GPT, PART "1" } },
		    { "erofs", "/u", { BLOB "0", M, GPT, PART "2" } } },
		  "'0' is no partition" },
		{ { { "erofs", "/u", { LOW, M, GPT, PART "1" } },
		    { "erofs", "/u", { BLOB "1", M } } },
		  "the blob is no partition" },
		{ { { "erofs", "/u", { LOW, BLOB "1", M, GPT, PART "1" } } }, "no blob" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		auto_layers_plan struct layers_plan p = { .n = 0 };
		struct group g;
		struct err e;

		make(&g, cases[i].members);
		assert_err(layers_plan_make(g.list, g.n, &p, &e), &e, ERR_INVALID, cases[i].part);
	}
}

static void test_members(void **state)
{
	static const struct member members[MEMBERS] = {
		{ "erofs", "/u", { "ro", M } },
		{ "erofs", "/u", { "ro", "X-kata.multi-layer=false" } },
		{ "erofs", "/u", { NULL } },
	};
	struct group g;

	(void)state;
	make(&g, members);
	g.storage[2].driver = (char *)(uintptr_t) "erofs.multi-layer";
	assert_true(layers_is_member(&g.storage[0]));
	assert_false(layers_is_member(&g.storage[1]));
	assert_true(layers_is_member(&g.storage[2]));
}

static void test_limits(void **state)
{
	char upper[] = "upper", work[] = "work", fs[] = "fs";
	auto_free char *data = layers_overlay_data(
		&(struct layers_plan){ .n = LAYERS_MAX, .upper_name = upper, .work_name = work });
	auto_free char *two = layers_overlay_data(
		&(struct layers_plan){ .n = 2, .upper_name = fs, .work_name = work });
	Grpc__Storage s;
	Grpc__Storage *list[LAYERS_MAX + 2];
	struct layers_plan p;
	struct err e;

	(void)state;
	assert_true(strlen(data) < 4000); /* a page, less the rest of mount(2)'s copy */
	assert_string_equal(two, "lowerdir=lower-0:lower-1,upperdir=upper/fs,workdir=upper/work");
	grpc__storage__init(&s);
	for (size_t i = 0; i < ARRAY_LEN(list); i++)
		list[i] = &s;
	assert_err(layers_plan_make(list, ARRAY_LEN(list), &p, &e), &e, ERR_EXHAUSTED, "128");
}

static void test_partition_nodes(void **state)
{
	static const char *const cases[][2] = {
		{ "/dev/vda", "/dev/vda12" },
		{ "/dev/nvme0n1", "/dev/nvme0n1p12" },
		{ "/dev/sdaa", "/dev/sdaa12" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		auto_free char *node = layers_partition_node(cases[i][0], 12);

		assert_string_equal(node, cases[i][1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_single),
		cmocka_unit_test(test_upper_directory),
		cmocka_unit_test(test_blobs),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_members),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_partition_nodes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
