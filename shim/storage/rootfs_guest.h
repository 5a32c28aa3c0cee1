/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_SHIM_STORAGE_ROOTFS_GUEST_H
#define HUSK_SHIM_STORAGE_ROOTFS_GUEST_H

#include "shim/storage/disks.h"
#include "shim/storage/guest_request.h"
#include "shim/storage/rootfs_plan.h"

/*
 * A root file system on disks: open and check all of its files, make a writable image that is new, plug
 * the disks in side by side, and add to `r` what the agent is to mount. The way is not ROOTFS_HOST.
 *
 * *ret_path is where the guest has it, for free(). On failure what was plugged is on `u`.
 * ERR_UNSUPPORTED where the VMM cannot take disks.
 */
int rootfs_guest_attach(const struct rootfs_plan *p, const char *container, struct disks *disks,
			struct deadline d, struct undo *u, struct guest_request *r, char **ret_path,
			struct err *e) must_check;

#endif
