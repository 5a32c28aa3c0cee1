/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_AGENT_SHARED_MOUNTS_H
#define HUSK_AGENT_SHARED_MOUNTS_H

#include "agent/container/container.h"

/*
 * Mounts that one container has made and another is to see (CreateContainerRequest.shared_mounts): of a
 * sidecar that serves a file system to the pod. The source container is found by the name that the
 * orchestrator gave it, and waited for, at most ten seconds, until the path is a mount in it. A copy of
 * the mounts there is put into the namespace of `c`, whose init waits for its start.
 */
int shared_mounts_add(const struct container *c, Grpc__SharedMount *const *mount, size_t n,
		      struct deadline d, struct err *e) must_check;

/* The orchestrator's name of a container, by its annotations; borrowed, NULL: none. */
const char *container_given_name(const Grpc__Spec *spec);

/*
 * main() of `husk-agent share-mount SOURCE DESTINATION`, a process of its own because only one with a
 * single thread can enter a mount namespace. The namespaces are descriptors 3 and 4.
 */
#define SHARE_MOUNT_COMMAND "share-mount"
_Noreturn void share_mount_main(const char *source, const char *destination);

#endif
