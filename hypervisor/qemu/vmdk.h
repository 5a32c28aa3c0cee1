/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_QEMU_VMDK_H
#define HUSK_QEMU_VMDK_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/cleanup.h"

/*
 * One disk of several files: the text descriptor of a flat VMDK, for QEMU's driver of that name
 * (VMware, "Virtual Disk Format 1.1": the text descriptor). Numbers in, text out.
 */

#define VMDK_SECTOR 512u /* bytes */

/* What QEMU reads of a descriptor (block/vmdk.c, vmdk_read_desc). */
#define VMDK_TEXT_MAX ((1u << 20) - 1) /* bytes */

struct vmdk_extent {
	const char *file; /* without quotation marks and newlines */
	uint64_t offset;  /* sectors */
	uint64_t sectors; /* at least 1 */
};

/* For free(). Extents of more than 2 GiB become several lines, as the format wants it. */
char *vmdk_descriptor(const struct vmdk_extent *extents, size_t n) must_check;

#endif
