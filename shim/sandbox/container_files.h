/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_SHIM_CONTAINER_FILES_H
#define HUSK_SHIM_CONTAINER_FILES_H

#include "shim/sandbox/state.h"
#include "shim/storage/guest_request.h"
#include "shim/storage/volume.h"

/* The files of a container on their way into the guest: what CreateContainer is told of them. */
struct container_files {
	char *host_root; /* where the root file system is on the host; NULL: on disks of the guest */
	char *rootfs;    /* guest path */
	bool read_only;
	struct volume *volumes;
	struct guest_request request;
};

#define CONTAINER_FILES_INIT ((struct container_files){ .rootfs = NULL })

/* Where the OCI spec says that the root file system is, on the host; for free(). */
char *container_root(const struct container_params *p) must_check;

/*
 * The root file system: on disks if its mounts are of disks, else mounted on the host and shared. What
 * the host can mount is shared also where the VMM takes no disks; layers and templates make sense in
 * the guest alone.
 */
int container_files_rootfs(struct sandbox *s, const struct container_params *p, struct deadline d,
			   struct undo *u, struct container_files *f, struct err *e) must_check;

/* The mounts of the spec. */
int container_files_volumes(struct sandbox *s, const struct container_params *p, struct deadline d,
			    struct undo *u, struct container_files *f, struct err *e) must_check;

void container_files_done(struct container_files *f, const struct container_params *p);

#endif
