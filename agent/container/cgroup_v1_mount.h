/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_AGENT_CGROUP_V1_MOUNT_H
#define HUSK_AGENT_CGROUP_V1_MOUNT_H

#include <stdbool.h>

#include "agent/container/mounts.h"
#include "common/base/cleanup.h"
#include "common/base/err.h"

/*
 * A mount of type cgroup in a guest that has the hierarchies of version 1 only: a tmpfs with a directory
 * for each, in which the container's own cgroup is bound.
 */

/* Does this guest want it so? */
bool cgroup_v1_wanted(void);

/* The tmpfs, still detached. */
int cgroup_v1_new(struct err *e) must_check;

/* Once it is attached; then it becomes read-only. `path`: of the container's cgroup. */
int cgroup_v1_fill(int tmpfs, const char *path, const struct mount_attrs *attrs, struct err *e)
	must_check;

#endif
