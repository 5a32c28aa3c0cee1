/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_SHIM_STORAGE_MOUNTINFO_H
#define HUSK_SHIM_STORAGE_MOUNTINFO_H

#include <stdbool.h>
#include <stdint.h>

/* What proc(5) says of the lines of /proc/…/mountinfo, as far as it is of use here. */

#define MOUNTINFO_MAX (64u << 20) /* bytes; a node with thousands of pods has a few MiB of it */

struct mountinfo_line {
	uint64_t id;       /* STATX_MNT_ID */
	const char *root;  /* the path, in its file system, of what is mounted */
	const char *point; /* where, in the tree of the process */
};

/* The next line of *text, which is cut up; paths are unescaped. False at the end. */
bool mountinfo_next(char **text, struct mountinfo_line *ret);

#endif
