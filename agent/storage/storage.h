/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_AGENT_STORAGE_H
#define HUSK_AGENT_STORAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "agent.pb-c.h"
#include "agent/mount/host_path.h"
#include "common/base/cleanup.h"
#include "common/base/err.h"
#include "common/base/undo.h"

/*
 * What the host asks to have mounted before a sandbox or a container starts (agent-protocol 4.1),
 * counted by mount point: several containers may name the same one, the first use mounts it and the
 * last one's end unmounts it. A storage marked `shared`, and what holds data of the pod rather than
 * of a container (tmpfs and directories on guest disk), stays until the sandbox ends.
 */
struct storage;
struct device_watch;

struct storage_table {
	struct storage *first; /* uthash, by mount point */
};

/* For whom it is mounted: drivers that keep files per container need to know where. */
struct storage_user {
	const char *run_dir;      /* must outlive the table */
	const char *container_id; /* NULL: the sandbox itself */
	struct device_watch *devices;
};

#define STORAGE_OPTIONS_MAX 512u /* words in one storage; overlay names one layer in each */

/*
 * Mount it, or count one more user of its mount point. *ret_mount_point: the key for
 * storage_release(), for free(). An unknown driver is ERR_INVALID. Waits.
 */
int storage_add(struct storage_table *t, const Grpc__Storage *s, const struct storage_user *user,
		char **ret_mount_point, struct err *e) must_check;

/*
 * The same for the members of a group of layers (agent/storage/layers.h), which are mounted together
 * and released by one key.
 */
int storage_add_layers(struct storage_table *t, Grpc__Storage *const *member, size_t n,
		       const struct storage_user *user, char **ret_mount_point, struct err *e)
	must_check;

/* One user less. What cannot be unmounted is logged. Waits. */
void storage_release(struct storage_table *t, const char *mount_point);

/* The sandbox ends: newest first, whatever the counts say. */
void storage_release_all(struct storage_table *t);

/*
 * Change the options of an `ephemeral` storage that is mounted (the options hold "remount"), or mount
 * one that is not. ERR_INVALID for other drivers. Waits.
 */
int storage_update_ephemeral(const char *run_dir, const Grpc__Storage *s, struct err *e) must_check;

/*
 * One driver; it runs in a fiber and may wait. What is mounted at the mount point is unmounted for it;
 * what else it acquires goes on *teardown, which runs after that, and when it fails.
 */
struct storage_driver {
	const char *name; /* Storage.driver */
	bool keep;        /* until the sandbox ends, as if marked `shared` */
	int (*mount)(const Grpc__Storage *s, const struct mount_point *at,
		     const struct storage_user *user, struct undo *teardown, struct err *e);
};

extern const struct storage_driver *const storage_drivers[];
extern const size_t storage_n_drivers;

#endif
