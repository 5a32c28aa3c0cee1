/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_SHIM_STORAGE_DISK_FILE_H
#define HUSK_SHIM_STORAGE_DISK_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/async/deadline.h"
#include "common/base/cleanup.h"
#include "common/base/err.h"

/* A regular file or block device of the host that becomes a disk, or a part of one. */
struct disk_file {
	int fd;           /* -1: none */
	const char *name; /* its path, borrowed */
	uint64_t bytes;
	bool is_device;
	dev_t device; /* of the block device, or of the file system that the file is on … */
	ino_t inode;  /* … with this number there; 0 for block devices */
};

#define DISK_FILE_NONE ((struct disk_file){ .fd = -1 })

/* ERR_INVALID: it is neither (nothing that blocks is opened), or it is empty. */
int disk_file_open(const char *path, bool read_only, struct disk_file *ret, struct err *e)
	must_check;
void disk_file_close(struct disk_file *f);

/* `len` bytes at `offset`; ERR_INVALID if the file ends before them. */
int disk_file_read(const struct disk_file *f, uint64_t offset, void *buf, size_t len, struct err *e)
	must_check;

/*
 * Make an image with an empty file system unless the file is there: sparse, of this size, under its
 * name once it is whole. `uuid` may be NULL. Waits for mkfs, in a fiber.
 */
int disk_file_make(const char *path, const char *fstype, uint64_t bytes, const char *uuid,
		   struct deadline d, struct err *e) must_check;

#endif
