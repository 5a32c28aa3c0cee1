/* SPDX-License-Identifier: Apache-2.0 */
/* GUID partition tables; see gpt.h. Little endian throughout. */
#include "shim/storage/gpt.h"

#include <endian.h>
#include <string.h>

#define ENTRY_BYTES   128u
#define ENTRIES_BYTES (GPT_PARTITIONS_MAX * ENTRY_BYTES)
#define HEADER_BYTES  92u
#define REVISION      0x00010000u
#define FIRST_USABLE  34u /* sectors */
#define MBR_ENTRY     446u
#define MBR_GPT       0xEEu

/* "Linux filesystem data", 0FC63DAF-8483-4772-8E79-3D69D8477DE4 as it is stored. */
static const uint8_t type_linux[16] = { 0xAF, 0x3D, 0xC6, 0x0F, 0x83, 0x84, 0x72, 0x47,
					0x8E, 0x79, 0x3D, 0x69, 0xD8, 0x47, 0x7D, 0xE4 };

static void put_u32(uint8_t *at, uint32_t v)
{
	v = htole32(v);
	memcpy(at, &v, sizeof(v));
}

static void put_u64(uint8_t *at, uint64_t v)
{
	v = htole64(v);
	memcpy(at, &v, sizeof(v));
}

uint32_t gpt_crc32(const uint8_t *data, size_t len)
{
	uint32_t crc = 0xFFFFFFFFu;

	for (size_t i = 0; i < len; i++) {
		crc ^= data[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
	}
	return ~crc;
}

static uint64_t sectors_of(uint64_t bytes)
{
	return bytes / GPT_SECTOR + (bytes % GPT_SECTOR ? 1 : 0);
}

int gpt_lay_out(struct gpt_partition *p, size_t n, uint64_t *ret_tail, struct err *e)
{
	uint64_t at = GPT_ALIGN;

	if (n == 0 || n > GPT_PARTITIONS_MAX)
		return err_set(e, ERR_EXHAUSTED, "%zu partitions, a disk has 1 to %u", n,
			       GPT_PARTITIONS_MAX);
	for (size_t i = 0; i < n; i++) {
		if (p[i].bytes == 0)
			return err_set(e, ERR_INVALID, "partition %zu is empty", i + 1);
		if (p[i].bytes > INT64_MAX / GPT_PARTITIONS_MAX - 2 * GPT_ALIGN)
			return err_set(e, ERR_EXHAUSTED, "partition %zu is too large", i + 1);
		p[i].start = (at + GPT_ALIGN - 1) / GPT_ALIGN * GPT_ALIGN;
		at = p[i].start + sectors_of(p[i].bytes) * GPT_SECTOR;
	}
	*ret_tail = at;
	return 0;
}

static void write_entries(const struct gpt_partition *p, size_t n, const uint8_t *id,
			  uint8_t *entries)
{
	for (size_t i = 0; i < n; i++) {
		uint8_t *at = entries + i * ENTRY_BYTES;
		uint64_t first = p[i].start / GPT_SECTOR;

		memcpy(at, type_linux, sizeof(type_linux));
		memcpy(at + 16, id, 16);
		at[16] ^= (uint8_t)(i + 1);
		put_u64(at + 32, first);
		put_u64(at + 40, first + sectors_of(p[i].bytes) - 1);
		for (size_t k = 0; k < GPT_NAME_MAX && p[i].name[k]; k++)
			at[56 + 2 * k] = (uint8_t)p[i].name[k];
	}
}

static void write_header(uint8_t *h, uint64_t at, uint64_t other, uint64_t entries_at,
			 uint64_t last_usable, const uint8_t *id, const uint8_t *entries)
{
	memcpy(h, "EFI PART", 8);
	put_u32(h + 8, REVISION);
	put_u32(h + 12, HEADER_BYTES);
	put_u64(h + 24, at);
	put_u64(h + 32, other);
	put_u64(h + 40, FIRST_USABLE);
	put_u64(h + 48, last_usable);
	memcpy(h + 56, id, 16);
	put_u64(h + 72, entries_at);
	put_u32(h + 80, GPT_PARTITIONS_MAX);
	put_u32(h + 84, ENTRY_BYTES);
	put_u32(h + 88, gpt_crc32(entries, ENTRIES_BYTES));
	put_u32(h + 16, gpt_crc32(h, HEADER_BYTES)); /* of the header with 0 here */
}

/* One entry over the whole disk, so that nobody takes it for empty. */
static void write_protective_mbr(uint8_t *mbr, uint64_t sectors)
{
	uint8_t *entry = mbr + MBR_ENTRY;

	entry[2] = 0x02; /* sector 1 in the oldest way to count */
	entry[4] = MBR_GPT;
	memset(entry + 5, 0xFF, 3);
	put_u32(entry + 8, 1);
	put_u32(entry + 12, sectors - 1 > UINT32_MAX ? UINT32_MAX : (uint32_t)(sectors - 1));
	mbr[510] = 0x55;
	mbr[511] = 0xAA;
}

void gpt_write(const struct gpt_partition *p, size_t n, uint64_t tail, const uint8_t id[static 16],
	       uint8_t head[static GPT_HEAD_BYTES], uint8_t backup[static GPT_TAIL_BYTES])
{
	uint64_t last = (tail + GPT_TAIL_BYTES) / GPT_SECTOR - 1;
	uint8_t *entries = head + 2 * GPT_SECTOR;

	memset(head, 0, GPT_HEAD_BYTES);
	memset(backup, 0, GPT_TAIL_BYTES);
	write_entries(p, n, id, entries);
	memcpy(backup, entries, ENTRIES_BYTES);
	write_protective_mbr(head, last + 1);
	write_header(head + GPT_SECTOR, 1, last, 2, tail / GPT_SECTOR - 1, id, entries);
	write_header(backup + ENTRIES_BYTES, last, 1, tail / GPT_SECTOR, tail / GPT_SECTOR - 1, id,
		     entries);
}
