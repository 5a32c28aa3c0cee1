/* SPDX-License-Identifier: Apache-2.0 */
/* Superblocks of images: what passes the check fits in front of the tree and makes one table line. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/verity/verity.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t sb[VERITY_SUPERBLOCK_BYTES] = { 0 };
	struct verity_params p = { .hash_offset = 1u << 20 };
	auto_free char *table = NULL;
	struct err e = ERR_INIT;

	memcpy(sb, data, size < sizeof(sb) ? size : sizeof(sb));
	memset(p.root_hash, 'a', 64);
	if (verity_superblock_parse(sb, &p, &e) < 0 || verity_params_check(&p, &e) < 0) {
		if (e.code == ERR_NONE)
			abort();
		return 0;
	}
	table = verity_table(&p, "1:2");
	if (verity_sectors(&p) * 512 > p.hash_offset || strpbrk(table, "\t\n"))
		abort();
	return 0;
}
