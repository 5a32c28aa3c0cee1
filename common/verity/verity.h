/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_VERITY_H
#define HUSK_VERITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/cleanup.h"
#include "common/base/err.h"

/*
 * dm-verity, as far as it is computing: what the host says of a layer (storage options), what the
 * layer says of itself (the superblock of veritysetup), and the table that the kernel is given.
 * No I/O here; the device-mapper calls are in common/verity/mapped.h.
 *
 * The kernel's side: Documentation/admin-guide/device-mapper/verity.rst. The superblock, version 1:
 * cryptsetup's "DMVerity" wiki page and lib/verity/verity.c.
 */
#define VERITY_SUPERBLOCK_BYTES 512u
#define VERITY_ALGORITHM_MAX    31u /* bytes; the superblock's field has 32 */
#define VERITY_DIGEST_MAX       64u /* bytes, of sha512 */
#define VERITY_SALT_MAX         256u
#define VERITY_BLOCK_MIN        512u
#define VERITY_BLOCK_MAX        65536u /* the largest page; the kernel takes no more than its own */

#define VERITY_OPTION_PREFIX  "X-kata.dmverity"
#define VERITY_OPTION_ENABLED "X-kata.dmverity-enabled="

struct verity_params {
	char algorithm[VERITY_ALGORITHM_MAX + 1]; /* the kernel's name: "sha256" */
	uint32_t hash_type;                       /* 1: salt first; 0: as Chrome OS once had it */
	uint32_t data_block_size, hash_block_size;
	uint64_t data_blocks;
	uint64_t hash_offset; /* bytes: of the superblock, or of the tree where there is none */
	bool no_superblock;
	char root_hash[2 * VERITY_DIGEST_MAX + 1]; /* hex, lower case */
	char salt[2 * VERITY_SALT_MAX + 1];        /* hex; "": none */
};

/*
 * Everything the kernel would refuse, or take for something else: sizes, alignment, algorithm, digest.
 * ERR_INVALID, the text beginning with the name of the storage option that is wrong.
 */
int verity_params_check(const struct verity_params *p, struct err *e) must_check;

/*
 * Read the X-kata.dmverity words of a storage's options; others are passed over. Returns 1 with *ret
 * filled and checked where the layer is to be verified, 0 where nothing is said of verity. Strict: a
 * layer that says anything of it is verified or refused. ERR_INVALID names the option: missing, given
 * twice, unknown or with a wrong value.
 */
int verity_options_parse(char *const *option, size_t n, struct verity_params *ret, struct err *e)
	must_check;

/* The words that verity_options_parse() reads these parameters from, added to *option. */
void verity_options_add(const struct verity_params *p, char ***option);

/* Does a superblock begin here? Its signature, no more. */
bool verity_superblock_present(const uint8_t sb[static VERITY_SUPERBLOCK_BYTES]);

/*
 * Fill what a superblock knows: algorithm, hash type, block sizes, number of data blocks, salt;
 * hash_offset, root_hash and no_superblock stay. The root hash does not cover it: a hint to be
 * checked, with verity_params_check(). ERR_INVALID: version or sizes that cannot be.
 */
int verity_superblock_parse(const uint8_t sb[static VERITY_SUPERBLOCK_BYTES],
			    struct verity_params *p, struct err *e) must_check;

/* The first block of the hash tree, in hash blocks from the beginning of the device. */
uint64_t verity_hash_start(const struct verity_params *p);

/* The length of the mapped device in sectors of 512 bytes. */
uint64_t verity_sectors(const struct verity_params *p);

/* The parameters of the kernel's table line for data and tree on one device; for free(). */
char *verity_table(const struct verity_params *p, const char *device) must_check;

#define VERITY_NAME_MAX 127u /* linux/dm-ioctl.h: DM_NAME_LEN, less the NUL */

/*
 * The name of the mapped device: "kata-verity-<node>-off<offset>-<root hash, 32 digits>-<serial>-<of
 * container>". The serial number keeps two of the same content apart, also while an earlier one
 * waits for its last user.
 */
void verity_device_name(char ret[static VERITY_NAME_MAX + 1], const struct verity_params *p,
			const char *node, const char *container_id, unsigned serial);

#endif
