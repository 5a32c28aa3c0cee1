/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_SHIM_STORAGE_OVERLAY_H
#define HUSK_SHIM_STORAGE_OVERLAY_H

#include "shim/storage/mount_options.h"

/*
 * Mount an overlay. mount(2) takes one page of options, which some forty snapshots of containerd's
 * path lengths fill: beyond that the layers are opened and named /proc/self/fd/N, which leaves room
 * for more than two hundred. Blocks: runs on the worker pool.
 */
int overlay_mount(const char *target, const struct mount_options *o, struct err *e) must_check;

/*
 * Split the value of lowerdir= at its colons; a backslash takes the next character as it is, as
 * overlayfs reads it. NULL-terminated, for strv_free(). Seen by tests.
 */
char **overlay_split_lowerdir(const char *value) must_check;

#endif
