/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_BASE_USERNS_H
#define HUSK_BASE_USERNS_H

#include "common/base/cleanup.h"
#include "common/base/err.h"

/*
 * A user namespace with these maps and nobody in it, for what wants one by descriptor: id-mapped mounts
 * (mount_setattr(2)). The maps are lines of /proc/PID/uid_map, "INSIDE OUTSIDE COUNT\n". Needs
 * CAP_SETUID and CAP_SETGID over the outer ids. Blocks for the life of a child that only opens it;
 * after ten seconds that is killed, and the error ERR_TIMEOUT. Returns the descriptor, for close().
 */
int userns_with_maps(const char *uid_map, const char *gid_map, struct err *e) must_check;

#endif
