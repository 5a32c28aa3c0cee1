/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_HYPERVISOR_CONFINE_H
#define HUSK_HYPERVISOR_CONFINE_H

#include <stdint.h>
#include <sys/types.h>

#include "common/base/cleanup.h"
#include "common/base/err.h"

/*
 * What a VMM or one of its helpers may do to the host, prepared here as data (names looked up,
 * filter compiled, files opened) and put on by the child just before its exec, where only system
 * calls are possible.
 */

enum confine_role {
	CONFINE_VMM,       /* needs descriptors it is given, and files to read */
	CONFINE_FS_DAEMON, /* virtiofsd: acts on files as the guest's users, makes its own namespaces */
	CONFINE_DAEMON,     /* vhost-device-vsock: like a VMM, but makes sockets in its directory */
	CONFINE_NET_DAEMON, /* passt: nobody with nothing, in namespaces that it makes itself */
};

#define CONFINE_STAY (-2)

struct confine_spec {
	enum confine_role role;
	const char *user; /* name; "": root without capabilities. Not for CONFINE_FS_DAEMON */
	int netns_fd; /* join it; borrowed until confine_free(); -1: a new, empty one; CONFINE_STAY: ours */
	const char *cgroups; /* a file, see struct hv_spec; NULL: stay */
};

struct confine;

/*
 * Looks the user up in the worker pool (in a fiber): ERR_NOT_FOUND if there is none. ERR_NOT_FOUND
 * too for a cgroup that does not exist.
 */
int confine_new(const struct confine_spec *s, struct confine **ret, struct err *e) must_check;
void confine_free(struct confine *c);

static inline void confine_free_slot(struct confine **c)
{
	confine_free(*c);
}
#define auto_confine CLEANUP(confine_free_slot)

/* CLONE_NEW* flags to make the child with (struct child_spec.clone_flags). */
uint64_t confine_clone_flags(const struct confine *c);

/* Whom files and directories made for the child must belong to. */
uid_t confine_uid(const struct confine *c);
gid_t confine_gid(const struct confine *c);

/*
 * struct child_spec.before_exec with `confine` as arg; the child was made with
 * confine_clone_flags(). Async-signal-safe. In this order: cgroups, network namespace, read-only
 * view of the file systems (VMM), no core dumps, as many descriptors as we may have, capabilities
 * and ids, no_new_privs, death with the parent, filter.
 */
int confine_enter(void *confine, const char **ret_step) must_check;

#endif
