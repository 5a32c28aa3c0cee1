/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_SHIM_STORAGE_PROJECTION_H
#define HUSK_SHIM_STORAGE_PROJECTION_H

#include <limits.h>
#include <stdbool.h>
#include <time.h>

#include "common/base/cleanup.h"
#include "common/base/err.h"
#include "husk.pb-c.h"

/*
 * What a kubelet projects from its API into a volume: configMap, secret, projected, downwardAPI. Its
 * atomic writer (pkg/volume/util/atomic_writer.go) lays all four out like this:
 *
 *	..2026_01_31_12_00_01.123456789/key     a set of files, never changed
 *	..data -> ..2026_01_31_12_00_01.123456789
 *	key -> ..data/key
 *
 * An update is a new set and one rename of ..data; the old set is removed at once.
 */
#define PROJECTION_BYTES_MAX   (3u << 20) /* of one set: it travels in one message of at most 4 MiB */
#define PROJECTION_ENTRIES_MAX 1024u
#define PROJECTION_DEPTH_MAX   16u /* directories within each other */

/* Which set a volume shows. Kubelets before 1.27 set owners and modes after the rename. */
struct projection_version {
	char set[NAME_MAX + 1];
	struct timespec changed;
};
bool projection_same(const struct projection_version *a, const struct projection_version *b);

/* The path alone: a file name for the volume, for free(), or NULL where it is none. */
char *projection_name(const char *kubelet_root, const char *path) must_check;

/* ERR_UNSUPPORTED: what is there is laid out in another way. Blocks. */
int projection_look(const char *path, struct projection_version *ret, struct err *e) must_check;

/*
 * All of the set that is shown now, for husk__put_request__free_unpacked(); never of two, whatever the
 * kubelet does meanwhile. *ret_version is filled as soon as it is known, also if the call fails then.
 * ERR_EXHAUSTED: it is beyond the limits above. ERR_UNSUPPORTED: another layout, or things that no kubelet
 * projects. Blocks.
 */
int projection_read(const char *path, const char *name, struct projection_version *ret_version,
		    Husk__PutRequest **ret, struct err *e) must_check;

#endif
