/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_AGENT_POD_INIT_H
#define HUSK_AGENT_POD_INIT_H

#include "agent/sandbox.h"

/*
 * The init process of the pid namespace that the containers of a pod share (shareProcessNamespace):
 * `husk-agent pod-init`, which does nothing but collect orphans. It is there from the first container
 * that wants it until the sandbox ends, so that the namespace outlives each of its containers. A host
 * that brings a pause container of its own shares that one's namespace and never needs it.
 */

/* sb->pid_ns is that namespace afterwards. One whose init process was killed is replaced. */
int pod_init_provide(struct sandbox *sb, struct err *e) must_check;

#define POD_INIT_COMMAND "pod-init"

/* The process: does not return. `empty_dir` becomes what others see as its root. */
_Noreturn void pod_init_main(const char *empty_dir);

#endif
