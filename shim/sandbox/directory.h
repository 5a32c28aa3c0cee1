/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_SHIM_SANDBOX_DIRECTORY_H
#define HUSK_SHIM_SANDBOX_DIRECTORY_H

#include "common/base/err.h"
#include "common/base/undo.h"

/*
 * <state_dir>/<namespace>/<sandbox id>: everything of a sandbox that has a name on the host.
 * The same id may be in use in two namespaces of containerd. The process that runs the sandbox holds
 * a lock (flock(2)) on it, which ends with that process: what is there and not locked was left by a
 * crash. The namespace's directory is made with the first sandbox and removed with the last.
 *
 *   vm/           sockets and records of the VMM (hypervisor/)
 *   mounts/       shim/storage/share.h
 *   shared/
 *   cgroups       its cgroups, see hv_spec.cgroup and host_cgroup.h
 *   cgroups-made  which of these directories were not there before
 */
struct directory {
	char *state_dir, *ns; /* as given */
	char *path;
	int fd; /* holds the lock */
};
#define DIRECTORY_NONE ((struct directory){ .path = NULL, .fd = -1 })

/*
 * Make it, mode 0700, and lock it. One left by a crash is cleaned up first; where that fails it stays
 * as it is. ERR_EXISTS while a live process has it. Its removal is pushed on `u`; *ret must stay where
 * it is until then.
 */
int directory_create(const char *state_dir, const char *ns, const char *id, struct directory *ret,
		     struct undo *u, struct err *e) must_check;

/*
 * Lock one that is there: 1, or 0 if there is none. ERR_STATE while a live process has it. The
 * caller gives it to directory_remove() or directory_release().
 */
int directory_lock(const char *state_dir, const char *ns, const char *id, struct directory *ret,
		   struct err *e) must_check;

/* Unlock, remove what is in it (never across a mount) and itself. What stays is logged. */
void directory_remove(struct directory *d);

/* Unlock; all that is in it stays, for who tries next. */
void directory_release(struct directory *d);

#endif
