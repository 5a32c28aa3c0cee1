/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_SHIM_STORAGE_SHARE_H
#define HUSK_SHIM_STORAGE_SHARE_H

#include <stdint.h>

#include "common/base/err.h"
#include "common/base/undo.h"
#include "shim/storage/mount.h"

/*
 * The directory that the guest sees through virtio-fs, tag kataShared, at SHARE_GUEST_DIR.
 *
 *   <sandbox dir>/mounts   a mount of its own; root file systems and volumes are mounted below it
 *   <sandbox dir>/shared   a read-only slave copy of it, which virtiofsd exports
 *
 * virtiofsd lives in a mount namespace of its own, made when it started. Because `mounts` is shared
 * and `shared` its slave, what is mounted later appears there too; because `shared` is read-only,
 * a guest cannot create names beside the containers' directories. Names:
 *
 *   <container>/rootfs                a root file system
 *   <container>-<number>-<base name>  a bind-mounted file or directory
 */
#define SHARE_GUEST_DIR "/run/kata-containers/shared/containers/" /* agent-protocol 3.3 */

struct share {
	char *mounts, *exported; /* host paths, owned */
	uint64_t next;           /* number of the next bind mount's name */
};

#define SHARE_INIT ((struct share){ .mounts = NULL })

/* `dir` exists and is ours alone. The strings of *s stay until share_done(). */
int share_start(struct share *s, const char *dir, struct undo *u, struct err *e) must_check;
void share_done(struct share *s);

/* Make <container>/rootfs: its host path for mounting on, its guest path; both for free(). */
int share_add_rootfs(struct share *s, const char *container, struct undo *u, char **ret_host,
		     char **ret_guest, struct err *e) must_check;

/*
 * Bind p->source (a regular file or directory) into the share. p->target is ignored. Returns its
 * host and guest path, both for free().
 */
int share_add_bind(struct share *s, const char *container, const struct mount_bind_params *p,
		   bool directory, struct undo *u, char **ret_host, char **ret_guest, struct err *e)
	must_check;

#endif
