/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_AGENT_LIFECYCLE_HOOKS_H
#define HUSK_AGENT_LIFECYCLE_HOOKS_H

#include <sys/types.h>

#include "agent/container/container.h"

/*
 * The hooks that the agent runs itself, in its own namespaces: prestart, poststart, poststop. Those
 * that run in a container's namespaces are the stage's (hooks.c), createRuntime hooks are the host's.
 * All want container.spec to be set. In a fiber.
 */

/* With the mounts made and the root not entered yet; `pid` waits for it. The first failure is it. */
int hooks_run_prestart(const struct container *c, pid_t pid, struct deadline d, struct err *e)
	must_check;

/* Failures are logged, and the rest are run all the same (runtime-spec, "Lifecycle"). */
void hooks_run_poststart(const struct container *c);
void hooks_run_poststop(const struct container *c);

#endif
