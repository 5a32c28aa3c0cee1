/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_SHIM_STORAGE_EMPTY_DIR_H
#define HUSK_SHIM_STORAGE_EMPTY_DIR_H

#include <stdint.h>
#include <sys/types.h>

#include "common/oci/spec.h"
#include "shim/storage/guest_request.h"

/*
 * Kubernetes' emptyDir volumes. The kubelet makes them on the host before it knows who will run the pod:
 * a directory, on which it mounts a tmpfs or a hugetlbfs where the volume's medium asks for one. What the
 * containers of a pod have in memory belongs into the memory of their machine.
 *
 *	<kubelet_root_dir>/pods/<uid>/volumes/kubernetes.io~empty-dir/<name>
 *	<kubelet_root_dir>/pods/<uid>/volume-subpaths/<name>/<container>/<number>	a bind mount
 */
enum empty_dir_kind {
	EMPTY_DIR_NONE, /* the path is no emptyDir */
	EMPTY_DIR_DISK,
	EMPTY_DIR_MEMORY,
	EMPTY_DIR_HUGEPAGES,
};

struct empty_dir {
	enum empty_dir_kind kind;
	char *name;         /* of the pod and the volume, for a file name; owned */
	uint64_t bytes;     /* its limit, 0 for none: MEMORY, HUGEPAGES */
	uint64_t page_size; /* bytes: HUGEPAGES */
	mode_t mode;
	gid_t group; /* fsGroup; 0: none */
	char *inside; /* a subPath: its path in the volume, which the agent makes; owned. NULL: none */
};

#define EMPTY_DIR_INIT ((struct empty_dir){ .kind = EMPTY_DIR_NONE })

/* What the kubelet has at `path`. A path that is none of its kind is no error. */
int empty_dir_find(const char *kubelet_root, const char *path, struct empty_dir *ret, struct err *e)
	must_check;
void empty_dir_done(struct empty_dir *d);
#define auto_empty_dir CLEANUP(empty_dir_done)

/* The path alone: the name, for free(), or NULL. Seen by tests. */
char *empty_dir_name(const char *kubelet_root, const char *path) must_check;

/* Where the volume would be of which a path is a subPath, for free(), or NULL. Seen by tests. */
char *empty_dir_of_subpath(const char *kubelet_root, const char *path) must_check;

/*
 * Have it made in the guest: once for the pod, whoever asks first. How many huge pages it may hold says
 * the container's limit on them, or the size of the host's mount; without both it is ERR_INVALID.
 * *ret_path is where it is, for free().
 */
int empty_dir_make(const struct empty_dir *d, const struct oci_resources *limits,
		   struct guest_request *r, char **ret_path, struct err *e) must_check;

#endif
