/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_OCI_CGROUPS_PATH_H
#define HUSK_OCI_CGROUPS_PATH_H

#include "common/base/cleanup.h"
#include "common/base/err.h"

/*
 * Linux.CgroupsPath to a clean path below the root of the hierarchies, with a leading '/', for free():
 *
 *   "/a/b", "a/b"          as it is
 *   "slice:prefix:name"    the directory that systemd would make: "a-b.slice:cri:c1" is
 *                          "/a.slice/a-b.slice/cri-c1.scope"; without a slice it is system.slice
 *
 * ERR_INVALID for what leads outside or is the root itself, and for what systemd would not take for names
 * of units.
 */
char *cgroups_path_parse(const char *text, struct err *e) must_check;

#endif
