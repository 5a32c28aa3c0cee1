/* SPDX-License-Identifier: Apache-2.0 */
/* What dm-verity parameters can be, and the arithmetic on them; see verity.h. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/verity/verity.h"

#define SECTOR_BYTES 512u

/* What images are made with. Others are refused rather than left to whatever the kernel has. */
static const struct {
	const char *name;
	size_t digest_bytes;
} algorithms[] = {
	{ "sha1", 20 },
	{ "sha256", 32 },
	{ "sha512", 64 },
};

static size_t digest_bytes(const char *algorithm)
{
	for (size_t i = 0; i < ARRAY_LEN(algorithms); i++)
		if (strcmp(algorithms[i].name, algorithm) == 0)
			return algorithms[i].digest_bytes;
	return 0;
}

static int check_block_size(const char *option, uint32_t size, struct err *e)
{
	if (size < VERITY_BLOCK_MIN || size > VERITY_BLOCK_MAX || (size & (size - 1)) != 0)
		return err_set(e, ERR_INVALID, "%s: %u is no power of two from %u to %u", option,
			       size, VERITY_BLOCK_MIN, VERITY_BLOCK_MAX);
	return 0;
}

static int check_offset(const struct verity_params *p, struct err *e)
{
	if (p->hash_offset == 0)
		return err_set(e, ERR_INVALID, "X-kata.dmverity.hashoffset: 0 leaves no data");
	if (p->hash_offset > INT64_MAX)
		return err_set(e, ERR_INVALID,
			       "X-kata.dmverity.hashoffset: %" PRIu64 " is too large",
			       p->hash_offset);
	if (p->hash_offset % p->data_block_size != 0)
		return err_set(e, ERR_INVALID,
			       "X-kata.dmverity.hashoffset: %" PRIu64
			       " is no multiple of the data block size %u",
			       p->hash_offset, p->data_block_size);
	if (p->hash_offset % p->hash_block_size != 0)
		return err_set(e, ERR_INVALID,
			       "X-kata.dmverity.hashoffset: %" PRIu64
			       " is no multiple of the hash block size %u",
			       p->hash_offset, p->hash_block_size);
	if (p->data_blocks == 0 || p->data_blocks > p->hash_offset / p->data_block_size)
		return err_set(e, ERR_INVALID,
			       "X-kata.dmverity.hashoffset: %" PRIu64
			       " data blocks of %u bytes do not "
			       "lie in front of %" PRIu64,
			       p->data_blocks, p->data_block_size, p->hash_offset);
	return 0;
}

int verity_params_check(const struct verity_params *p, struct err *e)
{
	size_t digest = digest_bytes(p->algorithm);

	if (digest == 0)
		return err_set(e, ERR_INVALID, "X-kata.dmverity.algorithm: '%s' is not known",
			       p->algorithm);
	if (strlen(p->root_hash) != 2 * digest)
		return err_set(e, ERR_INVALID,
			       "X-kata.dmverity.roothash: %zu hex digits, %s has %zu",
			       strlen(p->root_hash), p->algorithm, 2 * digest);
	if (p->hash_type > 1)
		return err_set(e, ERR_INVALID, "X-kata.dmverity.hashtype: %u is neither 0 nor 1",
			       p->hash_type);
	if (check_block_size("X-kata.dmverity.blocksize", p->data_block_size, e) < 0 ||
	    check_block_size("X-kata.dmverity.hashsize", p->hash_block_size, e) < 0)
		return -1;
	return check_offset(p, e);
}

uint64_t verity_hash_start(const struct verity_params *p)
{
	/* A superblock takes 512 bytes, rounded up to hash blocks, which are never smaller. */
	return p->hash_offset / p->hash_block_size + (p->no_superblock ? 0 : 1);
}

uint64_t verity_sectors(const struct verity_params *p)
{
	return p->data_blocks * (p->data_block_size / SECTOR_BYTES);
}

char *verity_table(const struct verity_params *p, const char *device)
{
	return xasprintf("%u %s %s %u %u %" PRIu64 " %" PRIu64 " %s %s %s", p->hash_type, device,
			 device, p->data_block_size, p->hash_block_size, p->data_blocks,
			 verity_hash_start(p), p->algorithm, p->root_hash,
			 p->salt[0] ? p->salt : "-");
}

void verity_device_name(char ret[static VERITY_NAME_MAX + 1], const struct verity_params *p,
			const char *node, const char *container_id, unsigned serial)
{
	/* Every part is bounded, so that none is cut in an unexpected place: 113 bytes at most. */
	(void)snprintf(ret, VERITY_NAME_MAX + 1, "kata-verity-%.16s-off%" PRIu64 "-%.32s-%u-%.16s",
		       node, p->hash_offset, p->root_hash, serial, container_id);
}
