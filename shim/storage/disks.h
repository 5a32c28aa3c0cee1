/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_SHIM_STORAGE_DISKS_H
#define HUSK_SHIM_STORAGE_DISKS_H

#include "common/base/undo.h"
#include "hypervisor/device.h"
#include "shim/storage/disk_file.h"

/*
 * The disks of a sandbox. Each has an undo entry that takes it out of the guest again, which must run
 * when nothing in the guest uses it any more; once the VM has ended that does nothing.
 */
struct disks {
	struct hv *hv; /* NULL: there is no VM (any more) */
	bool direct; /* past the host's page cache where the file system can (block_device_cache_direct) */
	struct shared_disk *shared;
	struct direct_mount *direct_mounts; /* volume_disk.h */
};

#define DISKS_INIT ((struct disks){ .hv = NULL })

/*
 * Plug one in for whoever owns `u`. *ret stays valid until its entry has run. ERR_UNSUPPORTED: this
 * VMM cannot.
 */
int disks_plug(struct disks *t, const struct hv_disk *disk, struct deadline d, struct undo *u,
	       const struct hv_device **ret, struct err *e) must_check;

/*
 * One for a volume, which several containers of the pod may have: a file or block device that is
 * there already (read-only or not, as now) gets one user more. The last one's entry takes it out.
 */
int disks_plug_shared(struct disks *t, const struct disk_file *f, bool read_only, struct deadline d,
		      struct undo *u, const struct hv_device **ret, struct err *e) must_check;

#endif
