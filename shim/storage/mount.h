/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_SHIM_STORAGE_MOUNT_H
#define HUSK_SHIM_STORAGE_MOUNT_H

#include <stdbool.h>

#include "common/base/err.h"
#include "common/base/undo.h"
#include "shim/storage/mount_options.h"

/*
 * Mounting on the host. In a fiber the system calls run on the worker pool, outside of one they run
 * at once, so that `delete` can use the same functions. Targets are trusted paths of ours; sources
 * are what containerd or the OCI spec named.
 *
 * What is mounted pushes its opposite (a lazy unmount) on `u`.
 */

enum mount_propagation {
	MOUNT_PROPAGATION_PRIVATE,
	MOUNT_PROPAGATION_SLAVE, /* later mounts below the source appear in the copy */
};

struct mount_bind_params {
	const char *source, *target;
	bool recursive;
	bool of_host;            /* the source is what containerd sees there (host_mounts.h) */
	unsigned long add_flags; /* of MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC: set on the copy */
	bool flags_below;        /* and on the mounts below it */
	enum mount_propagation propagation;
};

/*
 * A bind mount whose attributes are in force before it becomes visible: what other namespaces
 * receive by propagation has them from the start (a remount afterwards would not reach them).
 */
int mount_bind(const struct mount_bind_params *p, struct undo *u, struct err *e) must_check;

/*
 * Mount a file system. `o->loop` puts the regular file `source` behind a loop device that goes away
 * with the mount. An overlay whose options do not fit the page that mount(2) takes is mounted with
 * its layers named by descriptor.
 */
int mount_filesystem(const char *type, const char *source, const char *target,
		     const struct mount_options *o, struct undo *u, struct err *e) must_check;

/* Make `path` a mount point of its own whose later mounts reach those who copied it, nobody else. */
int mount_make_shared_root(const char *path, struct undo *u, struct err *e) must_check;

/* Is anything mounted below (not at) `dir` in this mount namespace? */
int mount_has_below(const char *dir, bool *ret, struct err *e) must_check;

/* Take it out of the tree now, even if something is open in it. Not mounted: nothing happens. */
void mount_detach(const char *path);

/* Detach everything mounted at or below `dir` in this mount namespace, newest first. */
int mount_detach_below(const char *dir, struct err *e) must_check;

/* For names in our own directories: rmdir(), unlink() when undone. The path is copied. */
void undo_push_rmdir(struct undo *u, const char *path);
void undo_push_unlink(struct undo *u, const char *path);

#endif
