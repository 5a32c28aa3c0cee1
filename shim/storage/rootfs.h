/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_SHIM_STORAGE_ROOTFS_H
#define HUSK_SHIM_STORAGE_ROOTFS_H

#include "common/base/undo.h"
#include "shim/sandbox/sandbox.h"

/*
 * The root file system of a container, mounted on the host at `target` (an empty directory of ours):
 * containerd's mounts in their order, or, where it gave none, the directory `root_path`.
 *
 * Lists that only make sense inside a guest (EROFS layers, templates, verity) are ERR_UNSUPPORTED: see
 * rootfs_guest.h. A block device is mounted here, which the log says at info.
 */
int rootfs_mount(const struct rootfs_mount *mounts, size_t n, const char *root_path,
		 const char *target, struct undo *u, struct err *e) must_check;

#endif
