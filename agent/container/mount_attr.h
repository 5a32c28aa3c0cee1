/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_AGENT_MOUNT_ATTR_H
#define HUSK_AGENT_MOUNT_ATTR_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/cleanup.h"
#include "common/base/err.h"

/*
 * The options of one mount of an OCI spec (runtime-spec, config.md and config-linux.md, "Mounts"),
 * sorted for the calls of the descriptor-based mount interface: mount_setattr(2), fsconfig(2).
 * Mounts of the agent in the guest's own tree are agent/mount/options.h.
 */
struct mount_attrs {
	uint64_t set, clear;             /* MOUNT_ATTR_*, of the mount itself */
	uint64_t below_set, below_clear; /* the same for everything mounted below too: "rro" */
	uint64_t propagation;            /* MS_SHARED, MS_SLAVE, ..., or 0 */
	bool propagation_below;          /* "rshared" and so on */
	bool bind;                       /* "bind" or "rbind" */
	bool bind_below;                 /* "rbind" */
	bool copy_up;                    /* "tmpcopyup" */
	bool idmap;       /* "idmap" or "ridmap": owners as the container maps them */
	bool idmap_below; /* "ridmap" */
	char **fs;        /* "key=value" or "key", for the file system */
};

/*
 * Later options win over earlier ones ("ro,rw" is rw). What is no known word is for the file system.
 * ERR_INVALID: "remount" and "loop", which make no sense here. Release with mount_attrs_done().
 */
int mount_attrs_parse(char *const *option, size_t n, struct mount_attrs *ret, struct err *e)
	must_check;
void mount_attrs_done(struct mount_attrs *a);

#define auto_mount_attrs CLEANUP(mount_attrs_done)

#endif
