/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_AGENT_LAYERS_H
#define HUSK_AGENT_LAYERS_H

#include "agent/storage/storage.h"

/*
 * A root file system of EROFS layers on disks, verified where they say so, with an overlay on top
 * (verity-erofs 4). The members of one request make one group, mounted at the mount point of the
 * writable layer, or of the first of the others. A merged image (one whose data is in blobs) is mounted
 * with its blobs as devices of their own, which EROFS takes since Linux 5.16.
 */
#define LAYERS_MAX 128u /* with the blobs of merged images */

/* In GetGuestDetails: blobs may be partitions of their own (X-husk.blob-of-partition). */
#define LAYERS_BLOBS_FEATURE "husk.blob-partitions"
/* Likewise: the writable layer may be a directory (X-husk.upper-directory, X-husk.work-directory). */
#define LAYERS_UPPER_FEATURE "husk.upper-directory"

bool layers_is_member(const Grpc__Storage *s);

/* The mount point of the group that these members make; borrowed. ERR_INVALID: they make none. */
int layers_target(Grpc__Storage *const *member, size_t n, const char **ret, struct err *e)
	must_check;

/*
 * Wait for the disks, map and mount the layers side by side, assemble. All but the overlay goes on
 * *teardown; a failure may have left something there, which the caller runs. Errors name the layer.
 */
int layers_mount(Grpc__Storage *const *member, size_t n, const struct mount_point *at,
		 const struct storage_user *user, struct undo *teardown, struct err *e) must_check;

#endif
