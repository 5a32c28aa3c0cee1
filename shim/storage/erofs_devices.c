/* SPDX-License-Identifier: Apache-2.0 */
/* Where the blobs of a merged EROFS image belong; see erofs_devices.h. Little endian. */
#include "shim/storage/erofs_devices.h"

#include <string.h>

#include "common/base/little_endian.h"
#include "common/base/mem.h"

#define SUPERBLOCK_AT    1024
#define SUPERBLOCK_BYTES 128
#define MAGIC            0xE0F5E1E2u
#define AT_BLOCK_BITS    12
#define AT_DEVICES       86
#define AT_TABLE         88 /* in slots */

#define SLOT_BYTES 128
#define AT_BLOCKS  64
#define AT_PLACE   68

#define BLOCK_BITS_MIN 9
#define BLOCK_BITS_MAX 16
#define DEVICES_MAX    1024u

static int read_slots(const struct disk_file *image, const uint8_t *sb, size_t n,
		      struct erofs_device *device, struct err *e)
{
	uint64_t at = (uint64_t)get_le16(sb + AT_TABLE) * SLOT_BYTES;

	for (size_t i = 0; i < n; i++, at += SLOT_BYTES) {
		uint8_t slot[SLOT_BYTES];

		if (disk_file_read(image, at, slot, sizeof(slot), e) < 0)
			return -1;
		device[i].start = (uint64_t)get_le32(slot + AT_PLACE) << sb[AT_BLOCK_BITS];
		device[i].bytes = (uint64_t)get_le32(slot + AT_BLOCKS) << sb[AT_BLOCK_BITS];
	}
	return 0;
}

int erofs_devices_read(const struct disk_file *image, size_t n, struct erofs_device **ret,
		       struct err *e)
{
	uint8_t sb[SUPERBLOCK_BYTES];
	struct erofs_device *device;

	if (disk_file_read(image, SUPERBLOCK_AT, sb, sizeof(sb), e) < 0)
		return -1;
	if (get_le32(sb) != MAGIC || sb[AT_BLOCK_BITS] < BLOCK_BITS_MIN ||
	    sb[AT_BLOCK_BITS] > BLOCK_BITS_MAX)
		return err_set(e, ERR_INVALID, "'%s' is no EROFS image", image->name);
	if (n == 0 || n > DEVICES_MAX || get_le16(sb + AT_DEVICES) != n)
		return err_set(e, ERR_INVALID, "'%s' has %u blobs, the mount names %zu",
			       image->name, get_le16(sb + AT_DEVICES), n);
	device = xcalloc(n, sizeof(device[0]));
	if (read_slots(image, sb, n, device, e) < 0) {
		free(device);
		return -1;
	}
	*ret = device;
	return 0;
}
