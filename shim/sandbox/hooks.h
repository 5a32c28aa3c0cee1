/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_SHIM_HOOKS_H
#define HUSK_SHIM_HOOKS_H

#include <sys/types.h>

#include "common/async/deadline.h"
#include "common/base/undo.h"
#include "shim/sandbox/sandbox.h"

/*
 * Hooks of the specification that are the host's: prestart, createRuntime, createContainer, poststart
 * and poststop run here, in the shim's namespaces, in the bundle's directory, with the environment that
 * they name or the shim's. The pid that they are told is the task's, that of the VMM: its namespaces are
 * the sandbox's on the host. createContainer hooks are programs of the host that are to run in the
 * container's namespaces, which no program can: they get at its root file system as createRuntime hooks
 * do, in a mount namespace that ends with them. startContainer hooks run in the guest.
 */
struct host_hooks;

/*
 * Run the prestart, createRuntime and createContainer hooks: the root file system is mounted at the bundle's place, the
 * guest does not know of the container yet. The first that fails is the error. From before the first one
 * on the poststop hooks are owed: they are on `u`, and on record in the bundle for hooks_run_owed().
 * *ret lives as long as the entries on `u` and is NULL for a specification without any of these.
 */
int hooks_run_create(const struct container_params *p, pid_t pid, struct deadline d, struct undo *u,
		     struct host_hooks **ret, struct err *e) must_check;

/* Failures are logged. NULL is fine. `of_container` may go while they run. */
void hooks_run_poststart(const struct host_hooks *of_container, struct deadline d);

/* In place of the entry on `u`: they stay on record. NULL is fine. */
void hooks_leave_owed(struct host_hooks *h);

/* For `delete` after a crash: the poststop hooks of this bundle if they are owed. Not in a fiber. */
void hooks_run_owed(const char *bundle, const char *id, struct deadline d);

#endif
