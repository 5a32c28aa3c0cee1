/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_AGENT_MIRROR_H
#define HUSK_AGENT_MIRROR_H

#include <stdint.h>

#include "common/base/cleanup.h"
#include "common/base/err.h"

/*
 * Keep one directory as another is. Directories are descriptors; symlinks are copied, never followed;
 * what is no file, directory or symlink is left out. Made of system calls that may block: for a worker.
 */

/* Files below `from` and their bytes; counting stops, and tells the truth so far, past either limit. */
struct mirror_size {
	unsigned files;
	uint64_t bytes;
};
int mirror_measure(int from, const struct mirror_size *limit, struct mirror_size *ret,
		   struct err *e) must_check;

/*
 * Make `to` as `from` is. New files first, then symlinks, each by a rename, then what is gone: a link
 * that is swapped to show a new set of files (Kubernetes' ..data) never leads to half of it. A file that
 * changed is written in place, so that whoever watches or has bound it sees that. What vanishes meanwhile
 * is for the next time.
 */
int mirror_sync(int from, int to, struct err *e) must_check;

/* One file. */
int mirror_file(int from, const char *name, int to, const char *to_name, struct err *e) must_check;

#endif
