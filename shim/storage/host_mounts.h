/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_SHIM_HOST_MOUNTS_H
#define HUSK_SHIM_HOST_MOUNTS_H

#include <stdbool.h>

#include "common/base/err.h"

/*
 * The mounts as containerd sees them. The shim has a mount namespace of its own, and what is mounted
 * after its start gets there only where the host's mounts are shared: nearly everywhere (systemd makes
 * them so), but not on every host, and a kubelet mounts volumes for containers of pods that run.
 */

/*
 * Remember the namespace of the calling process, before it gets another one. Where this was not called,
 * the functions below look at their own.
 */
int host_mounts_keep(struct err *e) must_check;

/*
 * An O_PATH descriptor of what is at an absolute path; symlinks are followed in the host's tree.
 * `flags`: 0 or O_NOFOLLOW.
 */
int host_mounts_open(const char *path, int flags, struct err *e) must_check;

/*
 * A copy of the mount that host_mounts_open() found, with those below it or without: detached, for
 * move_mount(2) into any namespace. Blocks.
 */
int host_mounts_clone(int fd, bool recursive, struct err *e) must_check;

/* What part of its file system the mount shows on which the descriptor is: a path, for free(). Blocks. */
int host_mounts_root(int fd, char **ret, struct err *e) must_check;

#endif
