/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_SHIM_SANDBOX_RESOURCES_H
#define HUSK_SHIM_SANDBOX_RESOURCES_H

#include "common/async/fiber.h"
#include "common/base/undo.h"
#include "common/oci/spec.h"

/*
 * What the containers of a sandbox may use together: the VM grows with it (unless its size is static,
 * see config/sizing.h), and the sandbox's cgroup on the host has the CPUs and memory nodes that they
 * are bound to, if all of them are bound to some.
 *
 * A VM never shrinks: what a container leaves is there for the next. Its limits are kept by its
 * cgroup in the guest.
 */
struct sandbox;
struct claim;

struct resources {
	struct claim *claims; /* one for each container */
	bool busy;            /* a fiber makes room */
	struct cond idle;
	uint32_t vcpus_online; /* that the agent was told of */
	uint64_t mib_online;
	char *cpus, *mems; /* of the cgroup on the host; NULL: its parent's */
};

/* By how much memory a guest grows at least: Linux's block on x86 (memory_block_size_bytes()). */
#define RESOURCES_BLOCK_MIB 128u

/* Make room for a container with these limits (NULL: none); `u` gives the claim up. */
int resources_claim(struct sandbox *s, const char *id, const struct oci_resources *limits,
		    struct deadline d, struct undo *u, struct err *e) must_check;

#endif
