/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_SHIM_STORAGE_PROJECTIONS_H
#define HUSK_SHIM_STORAGE_PROJECTIONS_H

#include "common/async/fiber.h"
#include "common/base/undo.h"
#include "shim/storage/projection.h"

/*
 * The projected volumes of a pod (projection.h) as they are in its machine: copies in the guest's memory,
 * which the shim keeps up to date. It looks at each on the host twice a second, at the link and the directory
 * that it leads to, and sends a new set whole; the agent shows it by one rename.
 *
 * Not through the share, because a guest keeps the names of a share for a while (virtiofsd's cache modes),
 * and would follow the old link to a directory that the kubelet has removed; nor does inotify work there.
 * Not by inotify on the host: a user has 128 instances by default, and a node a shim for each pod.
 */
#define PROJECTIONS_LOOK_MS 500

#define PROJECTIONS_GUEST_DIR "/run/kata-containers/sandbox/projected"

/* A call of the agent, so that tests can do without one. */
struct projection_sender {
	int (*put)(void *arg, const Husk__PutRequest *req, struct deadline d, struct err *e);
	void *arg;
};

struct projection;

struct projections {
	struct projection *first;
	struct projection_sender to;
	struct fiber_group watch;
	bool open, busy;  /* busy: some fiber is at the list or at a volume in it */
	struct cond idle; /* !busy */
};

#define PROJECTIONS_INIT ((struct projections){ .first = NULL })

/*
 * From now on there can be some, until *u is run. Without this call, as with an agent that does not know
 * them, projections_bring() brings none.
 */
void projections_start(struct projections *p, const struct projection_sender *to, struct undo *u);

/*
 * 1: `source` is one, and is in the guest at *ret_path, for free(), as it is now on the host and later. It
 * stays until the sandbox ends. 0: it is none, or one that cannot be copied, which is logged once. -1: the
 * agent or the host's files failed.
 */
int projections_bring(struct projections *p, const char *kubelet_root, const char *source,
		      struct deadline d, char **ret_path, struct err *e) must_check;

/* The memory, after projections_start()'s undo and the last projections_bring(). */
void projections_done(struct projections *p);

#endif
