/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_AGENT_GUEST_VOLUME_H
#define HUSK_AGENT_GUEST_VOLUME_H

#include <stdint.h>

#include "common/async/deadline.h"
#include "common/base/cleanup.h"
#include "common/base/err.h"

/*
 * Mounted volumes and swap of the guest. All wait and want a fiber. Paths are what a host names, opened as
 * host_path_open() does.
 */

struct volume_usage {
	uint64_t total, used, available;
};

/* Of the file system that `path` is on: bytes and inodes. */
int volume_usage(const char *run_dir, const char *path, struct volume_usage *ret_bytes,
		 struct volume_usage *ret_inodes, struct err *e) must_check;

/*
 * Let the ext4 or xfs mounted at `path` fill its disk, which the host has made at least `size` bytes.
 * ERR_UNSUPPORTED: another file system; ERR_STATE: the disk is smaller.
 */
int volume_grow(const char *run_dir, const char *path, uint64_t size, struct err *e) must_check;

/* swapon(2) of a disk or file that holds a swap area already. */
int volume_swap_on(const char *run_dir, const char *path, struct err *e) must_check;

/*
 * Ask for the attributes of every mount below `dir`, which makes a virtio-fs server drop what it keeps
 * of files that are gone. What fails is none of the caller's business.
 */
void volume_refresh_below(const char *dir);

#endif
