/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_SHIM_STORAGE_ROOTFS_PLAN_H
#define HUSK_SHIM_STORAGE_ROOTFS_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/cleanup.h"
#include "common/base/err.h"
#include "shim/sandbox/sandbox.h"

/*
 * What becomes of containerd's mounts of a root file system (containerd-shim.md 5): pure, from their
 * words alone. All text is borrowed from the mounts, but for what has a free function.
 */
enum rootfs_way {
	ROOTFS_HOST,   /* mounted on the host and shared: directories, and what else is no disk */
	ROOTFS_DISK,   /* one file system on one disk: .layer[0] */
	ROOTFS_LAYERS, /* an overlay of .layer[], on .writable if there is one */
	ROOTFS_WRITABLE_DIRECTORY, /* .directory of .writable: an image without layers */
};

/* A file system on a file or block device of the host. */
struct rootfs_disk {
	size_t index; /* of the mount, for messages */
	const char *fstype;
	const char *file;
	char **more;        /* the blobs of a merged image (`device=`), in order; owned */
	const char *verity; /* containerd's metadata: a path, or JSON. NULL: it names none */
	bool read_only;
	bool is_image;         /* `loop`: a regular file */
	char **options;        /* words for the mount in the guest; owned */
	uint64_t make_bytes;   /* the image's size where it has to be made; 0: it is there */
	const char *make_uuid; /* NULL: any */
};

#define ROOTFS_LAYERS_MAX 128u /* partitions of one disk, and layers the agent takes */

struct rootfs_plan {
	enum rootfs_way way;
	struct rootfs_disk *layer; /* the topmost first */
	size_t n_layers;
	bool has_writable;
	struct rootfs_disk writable;
	char *directory;  /* of the writable one; owned */
	char **mkdirs;    /* directories to be made in the writable one; owned */
	bool read_only;   /* the snapshot is a view: nothing is to be written */
	bool blobs_apart; /* for the caller to set: the guest takes blobs as devices of their own */
	/* Directories for what is written that are the host's; NULL: there are none. */
	const char *upper_on_host, *work_on_host;
	/* For the caller to set: where the guest has the directory that both are in; NULL: nowhere. */
	char *upper_in_guest; /* owned */
};

/*
 * ERR_INVALID or ERR_UNSUPPORTED names the mount by its place, its type and its source. An empty list
 * is ROOTFS_HOST.
 */
int rootfs_plan_make(const struct rootfs_mount *mounts, size_t n, struct rootfs_plan *ret,
		     struct err *e) must_check;
void rootfs_plan_done(struct rootfs_plan *p);
#define auto_rootfs_plan CLEANUP(rootfs_plan_done)

#endif
