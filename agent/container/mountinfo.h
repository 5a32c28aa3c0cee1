/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_AGENT_MOUNTINFO_H
#define HUSK_AGENT_MOUNTINFO_H

#include "common/base/cleanup.h"
#include "common/base/err.h"

/* The mount points of /proc/self/mountinfo whose parent is the mount at "/". NULL-terminated, for
 * strv_free(); *ret may be NULL when there is none. */
int mountinfo_directly_below_root(char ***ret, struct err *e) must_check;

/* The same from its text. */
char **mountinfo_below_root(const char *text) must_check;

#endif
