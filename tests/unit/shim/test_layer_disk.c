/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Layers as one disk: verity metadata against superblocks, what the guest reads where, errors that name
 * the layer. Superblocks and device tables are written here, field by field.
 */
#include "tests/lib/test.h"

#include <endian.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "shim/storage/gpt.h"
#include "shim/storage/layer_disk.h"
#include "shim/storage/layer_verity.h"

#define BLOCK 4096u
#define ROOT  "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF"
#define MIB   (1u << 20)

static struct {
	char dir[64];
} t;

static int set_up(void **state)
{
	(void)state;
	(void)snprintf(t.dir, sizeof(t.dir), "/tmp/husk-layers-XXXXXX");
	return mkdtemp(t.dir) ? 0 : -1;
}

static int tear_down(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	return path_remove_tree(AT_FDCWD, t.dir, &e);
}

static unsigned open_files(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void put_u16(uint8_t *at, uint16_t v)
{
	v = htole16(v);
	memcpy(at, &v, 2);
}

static void put_u32(uint8_t *at, uint32_t v)
{
	v = htole32(v);
	memcpy(at, &v, 4);
}

static char *write_file(const char *name, const void *data, size_t len)
{
	char *path = path_join(t.dir, name);
	auto_free char *parent = xstrndup(path, (size_t)(path_base(path) - path));
	struct err e = ERR_INIT;
	int fd;

	assert_ok(path_mkdirs(parent, 0755, &e), &e);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write_all(fd, data, len), 0);
	(void)close(fd);
	return path;
}

/* `blocks` of data filled with `fill`, and a superblock that says what the arguments say. */
static char *write_layer(const char *name, uint8_t fill, uint32_t blocks, const char *algorithm,
			 uint32_t block_size, uint64_t data_blocks, uint16_t salt_bytes)
{
	size_t len = (blocks + 1) * BLOCK;
	auto_free uint8_t *data = xcalloc(1, len);
	uint8_t *sb = data + blocks * BLOCK;

	memset(data, fill, blocks * BLOCK);
	memcpy(sb, "verity\0\0", 8);
	put_u32(sb + 8, 1);
	put_u32(sb + 12, 1);
	(void)snprintf((char *)sb + 32, 32, "%s", algorithm);
	put_u32(sb + 64, block_size);
	put_u32(sb + 68, block_size);
	put_u32(sb + 72, (uint32_t)data_blocks);
	put_u16(sb + 80, salt_bytes);
	memset(sb + 88, 0xab, salt_bytes);
	return write_file(name, data, len);
}

static int read_verity(const char *metadata, const char *layer, struct verity_params *p,
		       struct err *e)
{
	struct disk_file f = DISK_FILE_NONE;
	int r;

	assert_ok(disk_file_open(layer, true, &f, e), e);
	r = layer_verity_read(metadata, &f, p, e);
	disk_file_close(&f);
	return r;
}

#define META(offset) "{\"roothash\": \"" ROOT "\", \"hashoffset\": " #offset "}"

static void test_superblock_decides(void **state)
{
	auto_free char *tar = NULL, *plain = NULL, *meta = NULL;
	struct err e = ERR_INIT;
	struct verity_params p;

	(void)state;
	plain = write_layer("plain", 1, 2, "sha256", 4096, 2, 4);
	meta = write_file("plain.dmverity", META(8192), strlen(META(8192)));
	assert_ok(read_verity(meta, plain, &p, &e), &e);
	assert_string_equal(p.salt, "abababab");
	assert_string_equal(p.root_hash, "00112233445566778899aabbccddeeff"
					 "00112233445566778899aabbccddeeff");
	assert_int_equal(p.hash_offset, 8192);
	assert_int_equal(p.data_blocks, 2);
	assert_false(p.no_superblock);

	/* no salt is no salt, and blocks of 512 bytes are that */
	tar = write_layer("tar", 1, 2, "sha256", 512, 16, 0);
	assert_ok(read_verity(META(8192), tar, &p, &e), &e);
	assert_string_equal(p.salt, "");
	assert_int_equal(p.data_block_size, 512);
	assert_int_equal(p.data_blocks, 16);
}

static void test_without_a_superblock(void **state)
{
	static const char zeros[] =
		"0000000000000000000000000000000000000000000000000000000000000000";
	auto_free uint8_t *data = xcalloc(3, BLOCK);
	auto_free char *layer = write_file("bare", data, (size_t)3 * BLOCK);
	struct err e = ERR_INIT;
	struct verity_params p;

	(void)state;
	assert_ok(read_verity(META(8192), layer, &p, &e), &e);
	assert_true(p.no_superblock);
	assert_string_equal(p.algorithm, "sha256");
	assert_string_equal(p.salt, zeros);
	assert_ok(read_verity("{\"roothash\":\"" ROOT "\",\"hashoffset\":8192,\"salt\":\"0F\"}",
			      layer, &p, &e),
		  &e);
	assert_string_equal(p.salt, "0f");
	assert_ok(read_verity("{\"roothash\":\"" ROOT "\",\"hashoffset\":8192,\"salt\":\"\"}",
			      layer, &p, &e),
		  &e);
	assert_string_equal(p.salt, "");
}

static void test_what_does_not_fit(void **state)
{
	auto_free char *good = write_layer("good", 1, 2, "sha256", 4096, 2, 0);
	auto_free char *sha512 = write_layer("sha512", 1, 2, "sha512", 4096, 2, 0);
	auto_free char *md5 = write_layer("md5", 1, 2, "md5", 4096, 2, 0);
	auto_free char *fewer = write_layer("fewer", 1, 2, "sha256", 4096, 1, 0);
	auto_free char *salted = write_layer("salted", 1, 2, "sha256", 4096, 2, 1);
	auto_free char *odd = write_layer("odd", 1, 2, "sha256", 4095, 2, 0);
	auto_free char *large = NULL, *fifo = path_join(t.dir, "fifo");
	auto_free char *room = xcalloc(1, 65537);
	struct verity_params p;
	struct err e;
	const struct {
		const char *layer, *metadata;
		enum err_code code;
		const char *part;
	} rows[] = {
		{ good, "{\"hashoffset\":8192}", ERR_INVALID, "roothash" },
		{ good, "{\"roothash\":\"" ROOT "\"}", ERR_INVALID, "hashoffset" },
		{ good, "{\"roothash\":\"\",\"hashoffset\":8192}", ERR_INVALID, "roothash" },
		{ good, "{\"roothash\":\"xy\",\"hashoffset\":8192}", ERR_INVALID, "roothash" },
		{ good, "{\"roothash\":\"abcd\",\"hashoffset\":8192}", ERR_INVALID, "roothash" },
		{ good, "{\"roothash\":7,\"hashoffset\":8192}", ERR_INVALID, "roothash" },
		{ good, "{\"roothash\":\"" ROOT "\",\"hashoffset\":\"8192\"}", ERR_INVALID,
		  "hashoffset" },
		{ good, "{\"roothash\":\"" ROOT "\",\"hashoffset\":-1}", ERR_INVALID,
		  "hashoffset" },
		{ good, META(0), ERR_INVALID, "hashoffset" },
		{ good, META(12288), ERR_INVALID, "behind the end" },
		{ good, META(12000), ERR_INVALID, "ends before" },
		{ good, META(8191), ERR_INVALID, "hashoffset" },
		{ good, "{\"roothash\":\"" ROOT "\",\"hashoffset\":8192,\"salt\":\"0g\"}",
		  ERR_INVALID, "salt" },
		{ good, "{", ERR_INVALID, "line 1" },
		{ salted, "{\"roothash\":\"" ROOT "\",\"hashoffset\":8192,\"salt\":\"00\"}",
		  ERR_INVALID, "salt" },
		{ sha512, META(8192), ERR_INVALID, "roothash: 64 hex digits, sha512" },
		{ md5, META(8192), ERR_INVALID, "algorithm" },
		{ fewer, META(8192), ERR_INVALID,
		  "hashoffset: 8192 does not follow 1 data blocks" },
		{ odd, META(8192), ERR_INVALID, "4095" },
		{ good, "/no/such/metadata", ERR_NOT_FOUND, "/no/such/metadata" },
		{ good, t.dir, ERR_INVALID, "no file" },
		{ good, fifo, ERR_INVALID, "no file" },
	};

	(void)state;
	assert_int_equal(mkfifo(fifo, 0600), 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_err(read_verity(rows[i].metadata, rows[i].layer, &p, &e), &e, rows[i].code,
			   rows[i].part);
	memset(room, ' ', 65536);
	memcpy(room, META(8192), strlen(META(8192)));
	large = write_file("large", room, 65536);
	e = ERR_INIT;
	assert_ok(read_verity(large, good, &p, &e), &e);
	room[65536] = ' ';
	free(take_ptr(large));
	large = write_file("large", room, 65537);
	assert_err(read_verity(large, good, &p, &e), &e, ERR_EXHAUSTED, "65536");
}

/* What a guest reads from the disk at `at`. */
static void read_disk(const struct layer_disk *d, uint64_t at, uint8_t *buf, size_t len)
{
	memset(buf, 0, len);
	for (size_t i = 0; i < d->n_extents && len > 0; i++) {
		const struct hv_extent *x = &d->extents[i];
		size_t part;

		if (at >= x->length) {
			at -= x->length;
			continue;
		}
		part = len < x->length - at ? len : (size_t)(x->length - at);
		assert_true(pread(x->fd, buf, part, (off_t)(x->offset + at)) >= 0);
		buf += part;
		len -= part;
		at = 0;
	}
}

static uint64_t start_of(const struct layer_disk *d, size_t partition)
{
	uint8_t head[GPT_HEAD_BYTES];
	uint64_t sector;

	read_disk(d, 0, head, sizeof(head));
	memcpy(&sector, head + 2 * GPT_SECTOR + partition * 128 + 32, 8);
	return le64toh(sector) * GPT_SECTOR;
}

static void test_partitions(void **state)
{
	struct rootfs_disk layer[60] = { 0 };
	struct layer_disk d;
	struct err e = ERR_INIT;
	unsigned before = open_files();
	uint64_t total = 0;
	uint8_t block[BLOCK];

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(layer); i++) {
		auto_free char *name = xasprintf("snapshots/%u/layer.erofs", 60 - i);

		layer[i].file = write_layer(name, (uint8_t)(i + 1), i % 3 + 1, "sha256", 4096,
					    i % 3 + 1, 0);
		layer[i].verity = i % 3 == 1 ? META(8192) : NULL;
	}
	assert_ok(layer_disk_open(layer, ARRAY_LEN(layer), true, &d, &e), &e);
	assert_true(d.partitioned);
	for (unsigned i = 0; i < ARRAY_LEN(layer); i++) {
		assert_int_equal(d.layers[i].verified, i % 3 == 1);
		assert_int_equal(start_of(&d, i) % MIB, 0);
		read_disk(&d, start_of(&d, i), block, sizeof(block));
		assert_int_equal(block[0], i + 1);
		assert_int_equal(block[BLOCK - 1], i + 1);
	}
	for (size_t i = 0; i < d.n_extents; i++) {
		assert_int_equal(d.extents[i].length % GPT_SECTOR, 0);
		total += d.extents[i].length;
	}
	/* the gap behind a layer, and the backup table at the end */
	read_disk(&d, start_of(&d, 1) - BLOCK, block, sizeof(block));
	for (size_t i = 0; i < sizeof(block); i++)
		assert_int_equal(block[i], 0);
	read_disk(&d, total - GPT_SECTOR, block, GPT_SECTOR);
	assert_memory_equal(block, "EFI PART", 8);
	layer_disk_close(&d);
	assert_int_equal(open_files(), before);
	for (unsigned i = 0; i < ARRAY_LEN(layer); i++)
		free((char *)(uintptr_t)layer[i].file);
}

static void test_one_is_the_disk(void **state)
{
	auto_free char *file = write_layer("one", 9, 1, "sha256", 4096, 1, 0);
	struct rootfs_disk layer = { .file = file, .verity = META(4096) };
	struct layer_disk d;
	struct err e = ERR_INIT;

	(void)state;
	assert_ok(layer_disk_open(&layer, 1, true, &d, &e), &e);
	assert_false(d.partitioned);
	assert_int_equal(d.n_extents, 1);
	assert_int_equal(d.extents[0].length, 0);
	assert_true(d.layers[0].verified);
	layer_disk_close(&d);
}

/* An image of two blocks whose two blobs belong at the blocks 2 and 5; the first has three blocks. */
static char *write_merged(const char *name, unsigned devices)
{
	uint8_t data[2 * BLOCK] = { 0 };
	uint8_t *sb = data + 1024, *slot = data + 1152;

	put_u32(sb, 0xE0F5E1E2u);
	sb[12] = 12;
	put_u16(sb + 86, (uint16_t)devices);
	put_u16(sb + 88, 1152 / 128);
	put_u32(slot + 64, 3);
	put_u32(slot + 68, 2);
	put_u32(slot + 128 + 64, 1);
	put_u32(slot + 128 + 68, 5);
	return write_file(name, data, sizeof(data));
}

static void test_merged_image_on_one_disk(void **state)
{
	auto_free char *image = write_merged("merged", 2), *other = write_merged("other", 3);
	auto_free char *a = write_layer("a", 'a', 3, "sha256", 4096, 3, 0);
	auto_free char *b = write_layer("b", 'b', 1, "sha256", 4096, 1, 0);
	char *more[] = { a, b, NULL }, *turned[] = { b, a, NULL };
	struct rootfs_disk layer[2] = { { .file = b }, { .file = image, .more = more } };
	struct layer_disk d;
	struct err e = ERR_INIT;
	uint8_t block[BLOCK];

	(void)state;
	assert_ok(layer_disk_open(layer, 2, false, &d, &e), &e);
	for (unsigned i = 2; i < 6; i++) {
		read_disk(&d, start_of(&d, 1) + i * BLOCK, block, sizeof(block));
		assert_int_equal(block[7], i < 5 ? 'a' : 'b');
	}
	layer_disk_close(&d);
	assert_ok(layer_disk_open(&layer[1], 1, false, &d, &e), &e);
	assert_false(d.partitioned);
	read_disk(&d, (uint64_t)5 * BLOCK, block, sizeof(block));
	assert_int_equal(block[7], 'b');
	layer_disk_close(&d);

	layer[1].more = turned;
	assert_err(layer_disk_open(layer, 2, false, &d, &e), &e, ERR_INVALID,
		   "the image uses 12288 bytes of it");
	layer[1].more = more;
	layer[1].file = other;
	assert_err(layer_disk_open(layer, 2, false, &d, &e), &e, ERR_INVALID, "has 3 blobs");
	layer[1].file = a;
	assert_err(layer_disk_open(layer, 2, false, &d, &e), &e, ERR_INVALID, "is no EROFS image");
}

/* A layer, a merged image, its two blobs: the second has metadata beside it. */
static void test_blobs_apart(void **state)
{
	auto_free char *image = write_merged("merged", 2), *other = write_merged("other", 3);
	auto_free char *a = write_layer("a", 'a', 3, "sha256", 4096, 3, 0);
	auto_free char *b = write_layer("b", 'b', 1, "sha256", 4096, 1, 0);
	char *more[] = { a, b, NULL }, *turned[] = { b, a, NULL };
	struct rootfs_disk layer[2] = { { .file = b }, { .file = image, .more = more } };
	struct layer_disk d;
	struct err e = ERR_INIT;
	unsigned before = open_files();
	uint8_t block[BLOCK];

	(void)state;
	free(write_file("b.dmverity", META(4096), strlen(META(4096))));
	assert_ok(layer_disk_open(layer, 2, true, &d, &e), &e);
	assert_true(d.partitioned);
	assert_int_equal(d.n_layers, 4);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(d.layers[i].blob_of, i < 2 ? 0 : 2);
		assert_ptr_equal(d.layers[i].from, &layer[i > 0]);
		assert_int_equal(d.layers[i].verified, i == 3);
	}
	assert_int_equal(d.layers[3].verity.hash_offset, 4096);
	for (unsigned i = 0; i < 4; i++) {
		read_disk(&d, start_of(&d, i), block, sizeof(block));
		assert_int_equal(block[7], i == 1 ? 0 : i == 2 ? 'a' : 'b');
	}
	layer_disk_close(&d);

	/* the image itself; on one disk neither it nor a blob can be verified */
	layer[1].verity = META(4096);
	assert_ok(layer_disk_open(layer, 2, true, &d, &e), &e);
	assert_true(d.layers[1].verified);
	layer_disk_close(&d);
	assert_err(layer_disk_open(layer, 2, false, &d, &e), &e, ERR_UNSUPPORTED,
		   "cannot verify a merged image");
	layer[1].verity = NULL;
	assert_err(layer_disk_open(layer, 2, false, &d, &e), &e, ERR_UNSUPPORTED,
		   "b.dmverity' is there");

	layer[1].more = turned;
	assert_err(layer_disk_open(layer, 2, true, &d, &e), &e, ERR_INVALID,
		   "the image uses 12288 bytes of it");
	layer[1].more = more;
	layer[1].file = other;
	assert_err(layer_disk_open(layer, 2, true, &d, &e), &e, ERR_INVALID, "has 3 blobs");
	assert_int_equal(open_files(), before);
}

static void test_errors_name_the_layer(void **state)
{
	auto_free char *good = write_layer("good", 1, 2, "sha256", 4096, 2, 0);
	auto_free char *empty = write_file("empty", "", 0);
	unsigned before = open_files();
	struct layer_disk d;
	struct err e;
	const struct {
		struct rootfs_disk bad;
		const char *part;
	} rows[] = {
		{ { .file = "/no/such/layer" }, "layer 7 of 10, '/no/such/layer': open" },
		{ { .file = empty }, "it is empty" },
		{ { .file = t.dir }, "neither a file nor a block device" },
		{ { .file = "/dev/null" }, "neither a file nor a block device" },
		{ { .file = good, .verity = "{}" }, "roothash" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct rootfs_disk layer[10];

		for (unsigned k = 0; k < ARRAY_LEN(layer); k++)
			layer[k] = (struct rootfs_disk){ .file = good };
		layer[6] = rows[i].bad;
		e = ERR_INIT;
		assert_int_equal(layer_disk_open(layer, 10, true, &d, &e), -1);
		if (!strstr(e.text, "layer 7 of 10") || !strstr(e.text, rows[i].part))
			fail_msg("'%s' does not say '%s'", e.text, rows[i].part);
		assert_int_equal(open_files(), before);
	}
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_superblock_decides), CASE(test_without_a_superblock),
		CASE(test_what_does_not_fit),  CASE(test_partitions),
		CASE(test_one_is_the_disk),    CASE(test_merged_image_on_one_disk),
		CASE(test_blobs_apart),        CASE(test_errors_name_the_layer),
	};

	return cmocka_run_group_tests_name("layers as a disk", tests, NULL, NULL);
}
