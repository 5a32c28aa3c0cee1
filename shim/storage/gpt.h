/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_SHIM_STORAGE_GPT_H
#define HUSK_SHIM_STORAGE_GPT_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/cleanup.h"
#include "common/base/err.h"

/*
 * A GUID partition table (UEFI specification, chapter 5) for a disk that is put together from files:
 * what stands in front of the partitions and what stands behind them. Pure.
 */
#define GPT_SECTOR         512u
#define GPT_ALIGN          (1u << 20) /* bytes: where partitions begin */
#define GPT_PARTITIONS_MAX 128u
#define GPT_NAME_MAX       36u          /* characters */
#define GPT_HEAD_BYTES     (34u * 512u) /* protective MBR, header, 32 sectors of entries */
#define GPT_TAIL_BYTES     (33u * 512u) /* the entries again, the backup header */

struct gpt_partition {
	uint64_t bytes;   /* its size; rounded up to sectors */
	const char *name; /* ASCII; what is too long is cut */
	uint64_t start;   /* bytes from the beginning of the disk: set by gpt_lay_out() */
};

/*
 * Place the partitions, in their order. *ret_tail: where the backup table belongs, in bytes; the disk
 * ends behind it. ERR_INVALID: an empty partition; ERR_EXHAUSTED: too many.
 */
int gpt_lay_out(struct gpt_partition *p, size_t n, uint64_t *ret_tail, struct err *e) must_check;

/* The tables of a layout. `id` makes the disk's GUID and, with their numbers, those of partitions. */
void gpt_write(const struct gpt_partition *p, size_t n, uint64_t tail, const uint8_t id[static 16],
	       uint8_t head[static GPT_HEAD_BYTES], uint8_t backup[static GPT_TAIL_BYTES]);

/* CRC-32 as in zlib (ISO-HDLC). Seen by tests. */
uint32_t gpt_crc32(const uint8_t *data, size_t len);

#endif
