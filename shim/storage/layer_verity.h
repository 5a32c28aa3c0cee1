/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_SHIM_STORAGE_LAYER_VERITY_H
#define HUSK_SHIM_STORAGE_LAYER_VERITY_H

#include "common/verity/verity.h"
#include "shim/storage/disk_file.h"

/*
 * How a layer is to be verified: containerd's metadata says the root hash and where the tree is
 * (verity-erofs.md 1.4), the superblock there says the rest. `metadata` is what its mount option says:
 * the path of a file, or the JSON itself.
 *
 * What does not fit together is ERR_INVALID that names the option or member: a layer is verified or
 * refused.
 */
int layer_verity_read(const char *metadata, const struct disk_file *layer,
		      struct verity_params *ret, struct err *e) must_check;

/*
 * The metadata that lies beside a file under containerd's name for it, for free(); NULL if there is
 * none. containerd's mount options leave it out where it gives the file as a blob of a merged image.
 */
int layer_verity_beside(const char *file, char **ret, struct err *e) must_check;

/* The metadata alone: root hash, offset, salt ("" and *ret_has_salt false if it says none). */
int layer_verity_parse(const char *text, size_t len, struct verity_params *ret, bool *ret_has_salt,
		       struct err *e) must_check;

#endif
