/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_SHIM_STORAGE_ROOTFS_DISK_H
#define HUSK_SHIM_STORAGE_ROOTFS_DISK_H

#include "shim/storage/rootfs_plan.h"

/*
 * One mount of containerd's that is a file system on a disk, from its words: `fstype` is its type
 * without prefixes, `make` says that there was "mkfs/". ERR_UNSUPPORTED: a word that asks for
 * something husk has not got. Not for anybody but rootfs_plan.c.
 */
int rootfs_disk_read(const struct rootfs_mount *m, const char *fstype, bool make,
		     struct rootfs_disk *ret, struct err *e) must_check;
void rootfs_disk_done(struct rootfs_disk *d);

/* File systems that the guest has and that live on a disk. */
bool rootfs_disk_has_type(const char *fstype);

#endif
