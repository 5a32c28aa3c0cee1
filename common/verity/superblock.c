/* SPDX-License-Identifier: Apache-2.0 */
/* The superblock that veritysetup writes in front of the hash tree, version 1; see verity.h. */
#include <stdio.h>
#include <string.h>

#include "common/base/little_endian.h"
#include "common/verity/verity.h"

/* Little endian; offsets in bytes. */
#define AT_VERSION         8
#define AT_HASH_TYPE       12
#define AT_ALGORITHM       32
#define AT_DATA_BLOCK_SIZE 64
#define AT_HASH_BLOCK_SIZE 68
#define AT_DATA_BLOCKS     72
#define AT_SALT_SIZE       80
#define AT_SALT            88

#define ALGORITHM_BYTES    32
#define SUPERBLOCK_VERSION 1

static const uint8_t signature[8] = { 'v', 'e', 'r', 'i', 't', 'y', 0, 0 };

bool verity_superblock_present(const uint8_t sb[static VERITY_SUPERBLOCK_BYTES])
{
	return memcmp(sb, signature, sizeof(signature)) == 0;
}

/* A name of the kernel's: it becomes a word of the table. */
static bool algorithm_copy(const char *name, char *out)
{
	size_t len = strnlen(name, ALGORITHM_BYTES);

	if (len == 0 || len > VERITY_ALGORITHM_MAX)
		return false;
	for (size_t i = 0; i < len; i++)
		if (!strchr("abcdefghijklmnopqrstuvwxyz0123456789-_", name[i]))
			return false;
	memcpy(out, name, len);
	out[len] = '\0';
	return true;
}

int verity_superblock_parse(const uint8_t sb[static VERITY_SUPERBLOCK_BYTES],
			    struct verity_params *p, struct err *e)
{
	struct verity_params r = *p;
	uint16_t salt_size = get_le16(sb + AT_SALT_SIZE);

	if (!verity_superblock_present(sb))
		return err_set(e, ERR_INVALID, "there is no verity superblock");
	if (get_le32(sb + AT_VERSION) != SUPERBLOCK_VERSION)
		return err_set(e, ERR_INVALID, "verity superblock: version %u is not known",
			       get_le32(sb + AT_VERSION));
	r.hash_type = get_le32(sb + AT_HASH_TYPE);
	if (r.hash_type > 1)
		return err_set(e, ERR_INVALID, "verity superblock: hash type %u is not known",
			       r.hash_type);
	if (!algorithm_copy((const char *)sb + AT_ALGORITHM, r.algorithm))
		return err_set(e, ERR_INVALID, "verity superblock: the algorithm is no name");
	if (salt_size > VERITY_SALT_MAX)
		return err_set(e, ERR_INVALID,
			       "verity superblock: a salt of %u bytes, the limit is %u", salt_size,
			       VERITY_SALT_MAX);
	r.data_block_size = get_le32(sb + AT_DATA_BLOCK_SIZE);
	r.hash_block_size = get_le32(sb + AT_HASH_BLOCK_SIZE);
	r.data_blocks = get_le64(sb + AT_DATA_BLOCKS);
	r.salt[0] = '\0';
	for (size_t i = 0; i < salt_size; i++)
		(void)snprintf(r.salt + 2 * i, 3, "%02x", sb[AT_SALT + i]);
	*p = r;
	return 0;
}
