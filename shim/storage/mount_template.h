/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_SHIM_STORAGE_MOUNT_TEMPLATE_H
#define HUSK_SHIM_STORAGE_MOUNT_TEMPLATE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/cleanup.h"
#include "common/base/err.h"

/*
 * Paths of containerd's mount lists that name other mounts of the same list (containerd-shim 5.1):
 *
 *	{{ mount 0 }}/work	below where mount 0 is mounted
 *	{{ overlay 1 3 }}	where mounts 1, 2 and 3 are mounted, in this order; 3 1: the other way
 *
 * Pure: what they stand for is the planner's business.
 */
struct mount_path {
	bool is_template;
	size_t first, last; /* of the mounts that are named; equal for `mount` */
	const char *rest;   /* what follows, without slashes in front; else the whole. Borrowed */
};

/*
 * `n_before`: how many mounts the list has before the one that this path belongs to; it can name these
 * alone. ERR_INVALID: an index that is none of them, or something that is not understood.
 */
int mount_path_parse(const char *text, size_t n_before, struct mount_path *ret, struct err *e)
	must_check;

#endif
