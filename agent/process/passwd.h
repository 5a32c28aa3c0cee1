/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_AGENT_PASSWD_H
#define HUSK_AGENT_PASSWD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "common/base/cleanup.h"

/*
 * The text of an image's /etc/passwd and /etc/group (passwd(5), group(5)). Lines that cannot be read
 * are skipped: an image may contain anything, and libc is not asked because its lookups load what
 * the image's nsswitch.conf names.
 */
#define PASSWD_MAX (1u << 20) /* bytes of either file */

bool passwd_find_name(const char *passwd, const char *name, uid_t *ret_uid, gid_t *ret_gid);

/* The home directory of the first entry with this uid, for free(). NULL: no entry, or empty. */
char *passwd_find_home(const char *passwd, uid_t uid) must_check;

/* The groups that name `name` as a member. *ret for free(), NULL when there are none. */
size_t group_find_member(const char *group, const char *name, gid_t **ret);

#endif
