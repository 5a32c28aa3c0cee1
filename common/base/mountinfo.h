/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_BASE_MOUNTINFO_H
#define HUSK_BASE_MOUNTINFO_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/cleanup.h"

/* The lines of /proc/PID/mountinfo, as far as they are of use here; see proc_pid_mountinfo(5). */

#define MOUNTINFO_MAX (64u << 20) /* bytes; a node with thousands of pods has a few MiB of it */

struct mountinfo_line {
	uint64_t id;       /* STATX_MNT_ID */
	uint64_t parent;   /* the mount that it is mounted on */
	const char *root;  /* the path, in its file system, of what is mounted */
	const char *point; /* where, in the tree of the process */
};

/* The next line of *text, which is cut up; paths are in plain. False at the end. */
bool mountinfo_next(char **text, struct mountinfo_line *ret);

/* A path as it is written there, "\040" for a space and so on, in plain. For free(). */
char *mountinfo_unescape(const char *escaped) must_check;

#endif
