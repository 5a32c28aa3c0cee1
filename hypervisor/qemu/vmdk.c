/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors of flat VMDK disks; see vmdk.h. */
#include "hypervisor/qemu/vmdk.h"

#include <inttypes.h>

#include "common/base/mem.h"

#define LINE_SECTORS_MAX (UINT64_C(0x80000000) / VMDK_SECTOR) /* 2 GiB */

/* The geometry is for firmware of long ago; QEMU wants it there and goes by the extents. */
#define HEADS         16u
#define TRACK_SECTORS 63u

static void add_extent(struct buf *text, const struct vmdk_extent *x)
{
	uint64_t at = x->offset, left = x->sectors;

	while (left > 0) {
		uint64_t n = left < LINE_SECTORS_MAX ? left : LINE_SECTORS_MAX;

		buf_addf(text, "RW %" PRIu64 " FLAT \"%s\" %" PRIu64 "\n", n, x->file, at);
		at += n;
		left -= n;
	}
}

char *vmdk_descriptor(const struct vmdk_extent *extents, size_t n)
{
	const uint64_t cylinder = HEADS * TRACK_SECTORS;
	struct buf text = BUF_INIT;
	uint64_t total = 0;

	buf_addf(&text, "# Disk DescriptorFile\n"
			"version=1\n"
			"CID=fffffffe\n"
			"parentCID=ffffffff\n"
			"createType=\"twoGbMaxExtentFlat\"\n"
			"\n"
			"# Extent description\n");
	for (size_t i = 0; i < n; i++) {
		add_extent(&text, &extents[i]);
		total += extents[i].sectors;
	}
	buf_addf(&text,
		 "\n"
		 "# The Disk Data Base\n"
		 "#DDB\n"
		 "\n"
		 "ddb.virtualHWVersion = \"4\"\n"
		 "ddb.geometry.cylinders = \"%" PRIu64 "\"\n"
		 "ddb.geometry.heads = \"%u\"\n"
		 "ddb.geometry.sectors = \"%u\"\n"
		 "ddb.adapterType = \"ide\"\n",
		 total / cylinder + (total % cylinder != 0), HEADS, TRACK_SECTORS);
	return text.data;
}
