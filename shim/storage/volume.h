/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_SHIM_STORAGE_VOLUME_H
#define HUSK_SHIM_STORAGE_VOLUME_H

#include <sys/types.h>

#include "common/oci/spec.h"
#include "shim/storage/share.h"

/*
 * What becomes of each mount of an OCI spec on its way into the guest (runtime-features 6.3).
 */
enum volume_kind {
	VOLUME_GUEST,  /* the guest mounts it by itself: proc, tmpfs, its own /sys and /dev */
	VOLUME_SHM,    /* /dev/shm: the sandbox's, which its containers share */
	VOLUME_SHARED, /* a file or directory of the host, brought in through the share */
	VOLUME_SKIPPED /* a socket or device of the host, which virtio-fs cannot carry */
};

struct volume {
	enum volume_kind kind;
	char *guest_path; /* of VOLUME_SHARED, owned */
};

#define VOLUME_SHM_GUEST_DIR "/run/kata-containers/sandbox/shm" /* agent-protocol 3.3 */

bool volume_is_bind(const struct oci_mount *m);

/*
 * The kind of a mount; `source_mode` is st_mode of its source where it is a bind mount. A file
 * system type that a guest has not got is ERR_UNSUPPORTED and named.
 */
int volume_kind_of(const struct oci_mount *m, mode_t source_mode, enum volume_kind *ret,
		   struct err *e) must_check;

/* Bring in what has to be shared. *ret: one for each of spec->mounts, for volumes_free(). */
int volumes_share(struct share *s, const char *container, const struct oci_spec *spec,
		  struct undo *u, struct volume **ret, struct err *e) must_check;
void volumes_free(struct volume *v, size_t n);

#endif
