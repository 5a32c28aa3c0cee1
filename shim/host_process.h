/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_SHIM_HOST_PROCESS_H
#define HUSK_SHIM_HOST_PROCESS_H

#include <sys/types.h>

#include "common/base/err.h"

/* What the server is as a process of the host (containerd-shim.md 1.15). */

/*
 * A mount namespace of its own, into which the host's mounts still come: so what containerd mounts
 * is not kept busy by us when it unmounts it, and what we mount goes with us. Before any thread.
 */
int host_process_own_mounts(struct err *e) must_check;

/* One above containerd's, which was inherited: containerd is never the first to go. */
int host_process_oom_score(struct err *e) must_check;

/* Orphans of our children come to us instead of to init. */
int host_process_subreaper(struct err *e) must_check;

/* A core scheduling cookie for us and what we start, if the environment's SCHED_CORE asks for one. */
int host_process_core_scheduling(struct err *e) must_check;

/* Move `pid` into a cgroup: of version 2, or into that path of every hierarchy of version 1. */
int host_process_join_cgroup(const char *path, pid_t pid, struct err *e) must_check;

#endif
