/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_AGENT_NAMESPACE_SET_H
#define HUSK_AGENT_NAMESPACE_SET_H

#include "agent/container/container.h"

/*
 * Which namespaces a container's init gets: new ones, the sandbox's, or those that the host names by
 * a path of the guest.
 */
struct namespace_set {
	struct process_namespace ns[CONTAINER_NAMESPACES_MAX];
	size_t n;
	int opened[CONTAINER_NAMESPACES_MAX]; /* descriptors to close, -1: none */
	const int *pidns_fd;                  /* borrowed from the sandbox; NULL: a new one */
};

/*
 * The shared pid namespace is the first container's: a pause container's. In a pod without one it is
 * made when the first container asks for it (pod_init.h). ERR_STATE if it was that of a container
 * long gone. Release with namespace_set_done().
 */
int namespace_set_choose(const struct container *c, const Grpc__Linux *linux_spec, bool share_pid,
			 struct namespace_set *ret, struct err *e) must_check;
void namespace_set_done(struct namespace_set *s);

/*
 * Keep descriptors of the init's namespaces for execs: a pid that is used again can then never be
 * mistaken for it. Also the sandbox's pid namespace, if this is the container that lends it.
 */
int namespaces_remember(struct container *c, const struct namespace_set *s, struct err *e)
	must_check;
void namespaces_forget(struct container *c);

#endif
