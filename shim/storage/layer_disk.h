/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_SHIM_STORAGE_LAYER_DISK_H
#define HUSK_SHIM_STORAGE_LAYER_DISK_H

#include "common/verity/verity.h"
#include "hypervisor/device.h"
#include "shim/storage/disk_file.h"
#include "shim/storage/rootfs_plan.h"

/*
 * EROFS layers as one read-only disk: a layer alone is the disk, several are its partitions, numbered
 * from 1 in the order given. Nothing is copied: the VMM reads the layer files, and what stands between
 * them (partition table, gaps) is in memory that goes with its descriptor.
 *
 * A merged image (`device=`) is followed by its blobs, in their order: each a partition, verified where
 * containerd's metadata lies beside it, or, for a guest that has no devices for blobs, all in the
 * partition of the image, where its device table says they are (Linux 6.4).
 */
struct layer {
	const struct rootfs_disk *from; /* for a blob: its image */
	size_t blob_of;                 /* the partition of the image; 0: it is no blob */
	bool verified;
	struct verity_params verity;
};

struct layer_disk {
	bool partitioned;
	struct layer *layers; /* one for each partition */
	size_t n_layers;
	struct hv_extent *extents; /* what the disk is put together from */
	size_t n_extents;
	int *fds; /* all that `extents` and nobody else uses */
	size_t n_fds;
	char **names;
};

/*
 * Open and check every file first; an error names the layer by its number and its file. `layer` is
 * borrowed until layer_disk_close().
 */
int layer_disk_open(const struct rootfs_disk *layer, size_t n, bool blobs_apart,
		    struct layer_disk *ret, struct err *e) must_check;
void layer_disk_close(struct layer_disk *d);
#define auto_layer_disk CLEANUP(layer_disk_close)

#endif
