/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_AGENT_FS_GROUP_H
#define HUSK_AGENT_FS_GROUP_H

#include "agent.pb-c.h"
#include "agent/mount/host_path.h"
#include "common/base/cleanup.h"
#include "common/base/err.h"

/*
 * Give a volume to a group: everything that is mounted at `at` gets the group, files its read and write
 * bits, directories those for entering and the set-group-id bit too. Symbolic links are left alone and never
 * followed; nothing mounted below is entered. With the policy OnRootMismatch nothing is done where the root has it
 * all already; what is mounted read-only keeps the group that it has. In a fiber.
 */
int fs_group_apply(const struct mount_point *at, const Grpc__FSGroup *group, struct err *e)
	must_check;

#endif
