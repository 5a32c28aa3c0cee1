/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_AGENT_NAMESPACES_H
#define HUSK_AGENT_NAMESPACES_H

#include "common/base/cleanup.h"
#include "common/base/err.h"
#include "oci.pb-c.h"

/*
 * "pid", "mount" or "mnt", "network" or "net", ... to CLONE_NEW*. Both spellings occur: hosts differ.
 * Anything else is ERR_INVALID.
 */
int namespace_flag(const char *type, unsigned *ret, struct err *e) must_check;

/* The lines of /proc/<pid>/uid_map, for free(). ERR_INVALID for none or more than the kernel takes. */
char *namespace_id_map(Grpc__LinuxIDMapping *const *map, size_t n, struct err *e) must_check;

struct stage;

/*
 * The user namespace of the container, for id-mapped mounts: the one that is joined (before it is), or
 * another with the maps of the specification. For close(). ERR_INVALID: there is neither.
 */
int namespaces_open_user(const struct stage *s, struct err *e) must_check;

#endif
