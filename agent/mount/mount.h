/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_AGENT_MOUNT_H
#define HUSK_AGENT_MOUNT_H

#include <stdbool.h>

#include "agent/mount/host_path.h"
#include "agent/mount/options.h"

/*
 * Mounts in the guest's own tree: storages, bundles, what PID 1 needs. What lies inside a container's
 * root is mounted by `husk-agent stage` instead.
 *
 * What can take a while runs on the worker pool, so a fiber waits and the others go on.
 */

/*
 * Mount `source` at `at`, which exists. For a bind mount with further flags (ro, nosuid, ...)
 * the remount that makes them count follows; then the propagation, if any. A failure in the middle
 * leaves nothing mounted. A source that a host names is opened by host_path_open() before, and given as
 * /proc/self/fd/N.
 */
int mount_at(const char *source, const struct mount_point *at, const char *fstype,
	     const struct mount_options *o, struct err *e) must_check;

/* Unmount at once, in the background where it is busy. Not mounted, or not there: success. */
int mount_remove(const struct mount_point *at, struct err *e) must_check;

/* Is anything mounted exactly at `path`? *ret_fstype (may be NULL): its file system, for free(). */
int mount_find(const char *path, bool *ret_mounted, char **ret_fstype, struct err *e) must_check;

#endif
