/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_AGENT_HOST_PATH_H
#define HUSK_AGENT_HOST_PATH_H

#include <stdbool.h>

#include "common/base/err.h"

/*
 * Paths that a host names: mount points, what is mounted there, volumes. Below the agent's run directory they
 * lead through what containers, images and the file systems of volumes can fill with links:
 *
 *  - what is to be mounted elsewhere or looked at, and lies in the share (`shared` of the run directory), is
 *    resolved beneath the share: a link there leads to what it names inside it, as after chroot(2);
 *  - elsewhere below the run directory, and for mount points in the share too, a link on the way is an error.
 *
 * Everything else is the guest's own and trusted, as is every path where `run_dir` is empty.
 */

/* O_PATH of what is to be mounted elsewhere or looked at, with `flags`. Returns the descriptor. */
int host_path_open(const char *run_dir, const char *path, int flags, struct err *e) must_check;

struct mount_point {
	const char *run_dir; /* the agent's; "": the path is trusted */
	const char *path;    /* absolute */
};
#define GUEST_MOUNT_POINT(path_) (&(const struct mount_point){ .run_dir = "", .path = (path_) })

/* O_PATH of what is there now, the root of what is mounted if something is. Returns the descriptor. */
int mount_point_open(const struct mount_point *at, struct err *e) must_check;

/*
 * Make it, with its parents: a directory, or an empty file. What exists is kept. Returns an O_PATH descriptor
 * as mount_point_open().
 */
int mount_point_make(const struct mount_point *at, bool directory, struct err *e) must_check;

/*
 * Take an empty directory away again; a file too, if this is an agent's own failure and not somebody's
 * volume: `file`. Not there: success.
 */
int mount_point_unmake(const struct mount_point *at, bool file, struct err *e) must_check;

#endif
