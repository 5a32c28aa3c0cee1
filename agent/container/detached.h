/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_AGENT_DETACHED_H
#define HUSK_AGENT_DETACHED_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/container/mount_attr.h"
#include "common/base/cleanup.h"
#include "common/base/err.h"

/*
 * Mounts that exist as a descriptor only until they are attached (open_tree(2), fsopen(2)). The
 * destination is a descriptor too, resolved by the kernel beneath the container's root: no path of
 * an image is ever walked with the guest's tree in sight, so no symlink in it leads there.
 *
 * Every descriptor returned is close-on-exec and for close().
 */

/* A copy of what is mounted at dirfd/path (a directory or a file), with what is below if `below`. */
int detached_clone(int dirfd, const char *path, bool below, struct err *e) must_check;

/*
 * A new file system with these attributes, `a->fs` given to the file system. On failure the text
 * holds what the kernel said about the options. `source` may be empty.
 */
int detached_new(const char *type, const char *source, const struct mount_attrs *a, struct err *e)
	must_check;

/* mount_setattr(2) for what `a` asks of a clone: flags, then propagation. */
int detached_set_attrs(int fd, const struct mount_attrs *a, struct err *e) must_check;

/* The same with plain values; propagation 0: unchanged. */
int detached_set(int fd, bool below, uint64_t set, uint64_t clear, uint64_t propagation,
		 struct err *e) must_check;

/*
 * Show the owners of what is on it as the user namespace maps them; of a clone that nobody has seen yet.
 * ERR_UNSUPPORTED: not this file system, on this kernel.
 */
int detached_set_idmap(int fd, bool below, int userns, struct err *e) must_check;

/* Put it on top of `onto`, a descriptor (O_PATH will do) in this mount namespace. */
int detached_attach(int fd, int onto, struct err *e) must_check;

#endif
