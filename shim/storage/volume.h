/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_SHIM_STORAGE_VOLUME_H
#define HUSK_SHIM_STORAGE_VOLUME_H

#include <sys/stat.h>
#include <sys/types.h>

#include "common/oci/spec.h"
#include "shim/storage/projections.h"
#include "shim/storage/share.h"
#include "shim/storage/volume_copy.h"
#include "shim/storage/volume_disk.h"

/*
 * What becomes of each mount of an OCI spec on its way into the guest (runtime-features 6.3).
 */
enum volume_kind {
	VOLUME_GUEST,  /* the guest mounts it by itself: proc, tmpfs, its own /sys and /dev */
	VOLUME_SHM,    /* /dev/shm: the sandbox's, which its containers share */
	VOLUME_SHARED, /* a file or directory of the host: through the share, or a copy */
	VOLUME_MOUNTED, /* what the guest has first: a direct volume on a disk, an emptyDir, a copy that is kept */
	VOLUME_DEVICE, /* a block device, which becomes one of the container's */
	VOLUME_SKIPPED /* a socket or device of the host, which nothing can carry */
};

struct volume {
	enum volume_kind kind;
	char *guest_path; /* of VOLUME_SHARED and VOLUME_MOUNTED, owned */
	/*
	 * Read-only, but not what is mounted below it: the host alone refuses to write, because to the
	 * guest all of it is one file system.
	 */
	bool read_only_on_host;
	struct stat st; /* of VOLUME_DEVICE */
};

#define VOLUME_SHM_GUEST_DIR "/run/kata-containers/sandbox/shm" /* agent-protocol 3.3 */

bool volume_is_bind(const struct oci_mount *m);

/*
 * The kind of a mount; `source_mode` is st_mode of its source where it is a bind mount. A file
 * system type that a guest has not got is ERR_UNSUPPORTED and named.
 */
int volume_kind_of(const struct oci_mount *m, mode_t source_mode, enum volume_kind *ret,
		   struct err *e) must_check;

struct volumes_params {
	struct share *share;              /* .mounts NULL: there is none, files are copied */
	struct volume_copies *copies;     /* of the sandbox */
	const struct volume_copier *copy; /* to the agent */
	struct projections *projections;  /* of the sandbox; NULL: none are copied */
	struct deadline d;
	const char *container;
	const struct oci_spec *spec;
	bool no_disks;                         /* disable_block_device_use */
	const struct volume_disk_params *disk; /* for what is on disks */
	const char *kubelet_root;              /* kubelet_root_dir */
	bool guest_empty_dir;                  /* make those on disk in the guest too */
};

/*
 * Bring in what has to be shared or plugged, devices of the spec among it. *ret: one for each of
 * spec->mounts, for volumes_free().
 */
int volumes_bring(const struct volumes_params *p, struct undo *u, struct volume **ret,
		  struct err *e) must_check;
void volumes_free(struct volume *v, size_t n);

#endif
