/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_SHIM_STORAGE_EROFS_DEVICES_H
#define HUSK_SHIM_STORAGE_EROFS_DEVICES_H

#include "shim/storage/disk_file.h"

/*
 * The device table of an EROFS image whose data is in other files, blobs (linux/fs/erofs/erofs_fs.h).
 */
struct erofs_device {
	uint64_t bytes; /* that the image uses */
	uint64_t start; /* on a disk that holds image and blobs; 0: it has no place there */
};

/* Of n blobs, for free(). ERR_INVALID: the image is none, or has another number of them. */
int erofs_devices_read(const struct disk_file *image, size_t n, struct erofs_device **ret,
		       struct err *e) must_check;

#endif
