/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_AGENT_LAYERS_PLAN_H
#define HUSK_AGENT_LAYERS_PLAN_H

#include "agent/storage/layers.h"
#include "common/verity/verity.h"

/* What a group of storages asks for, before anything is done: pure, for layers.c and tests. */
struct layer {
	const Grpc__Storage *storage;
	uint32_t partition; /* 1 and up; 0: the whole disk */
	uint32_t blob_of;   /* the partition of the merged image whose data this is; 0: a layer */
	bool verified;
	struct verity_params verity;
};

struct layers_plan {
	const Grpc__Storage *upper;   /* NULL: a directory in the guest's memory */
	bool upper_is_directory;      /* to be bound, not a disk */
	char *upper_name, *work_name; /* of the directories in it; owned */
	struct layer *lower;          /* the topmost first */
	size_t n;
	struct layer *blob; /* those of one image in its own order of devices */
	size_t n_blobs;
	char **mkdirs; /* "<0 or 1>/<path>": below the upper, or the topmost lower */
};

/* ERR_INVALID says which member, by its place in the request, and what is wrong with it. */
int layers_plan_make(Grpc__Storage *const *member, size_t n, struct layers_plan *ret, struct err *e)
	must_check;
void layers_plan_done(struct layers_plan *p);
#define auto_layers_plan CLEANUP(layers_plan_done)

/* "/dev/vda", 3 to "/dev/vda3"; "/dev/nvme0n1", 3 to "/dev/nvme0n1p3". For free(). */
char *layers_partition_node(const char *disk, uint32_t partition) must_check;

/* The overlay's data string, the layers' directories relative to the one they are in; for free(). */
char *layers_overlay_data(const struct layers_plan *p) must_check;

#endif
