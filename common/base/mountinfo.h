/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_BASE_MOUNTINFO_H
#define HUSK_BASE_MOUNTINFO_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/cleanup.h"
#include "common/base/err.h"

/* The lines of /proc/PID/mountinfo, as far as they are of use here; see proc_pid_mountinfo(5). */

struct mountinfo_line {
	uint64_t id;       /* STATX_MNT_ID */
	uint64_t parent;   /* the mount that it is mounted on */
	const char *root;  /* the path, in its file system, of what is mounted */
	const char *point; /* where, in the tree of the process */
	const char *type;  /* of the file system; "" where the line has none, as below */
	const char *super; /* options of the file system, as they are written there */
};

/* That of this thread, for free(). */
int mountinfo_read(char **ret, struct err *e) must_check;

/* The next line of *text, which is cut up; paths are in plain. False at the end. */
bool mountinfo_next(char **text, struct mountinfo_line *ret);

#endif
