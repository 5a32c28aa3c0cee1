/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_AGENT_BUNDLE_H
#define HUSK_AGENT_BUNDLE_H

#include "agent/container/container.h"

/*
 * A container's bundle, <run directory>/<container id>: `rootfs`, on which its root file system is
 * mounted, and `config.json`, for hooks, which are told where the bundle is.
 */

/* For free(). */
char *bundle_path(const struct container *c) must_check;

/* The directory; what takes it away again goes on the container's undo list. Sets c->rootfs. */
int bundle_make(struct container *c, struct err *e) must_check;

/* `spec` as the agent has rewritten it. For the guest's root alone: an environment may hold secrets. */
int bundle_write_config(const struct container *c, const Grpc__Spec *spec, struct err *e)
	must_check;

#endif
