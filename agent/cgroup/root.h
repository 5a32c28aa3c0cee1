/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_AGENT_CGROUP_ROOT_H
#define HUSK_AGENT_CGROUP_ROOT_H

#include "common/base/cleanup.h"
#include "common/base/err.h"

/* Where cgroup2 is mounted, for free(). ERR_UNSUPPORTED: nowhere. */
int cgroup_root_find(char **ret, struct err *e) must_check;

/* The same from the text of /proc/self/mountinfo; NULL: nowhere. */
char *cgroup_root_parse(const char *mountinfo) must_check;

#endif
