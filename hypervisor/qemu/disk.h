/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_QEMU_DISK_H
#define HUSK_QEMU_DISK_H

#include "hypervisor/qemu/qemu.h"

/* Disks for a running QEMU; hv_ops.plug_disk. */
int qemu_plug_disk(struct hv *hv, const struct hv_disk *disk, struct deadline d,
		   struct hv_device **ret, struct err *e) must_check;

/* hv_ops.grow_disk */
int qemu_grow_disk(struct hv *hv, struct hv_device *dev, uint64_t bytes, struct deadline d,
		   struct err *e) must_check;

#endif
