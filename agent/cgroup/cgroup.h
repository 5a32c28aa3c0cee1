/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_AGENT_CGROUP_H
#define HUSK_AGENT_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "agent.pb-c.h"
#include "common/async/deadline.h"
#include "common/base/cleanup.h"
#include "common/base/err.h"
#include "oci.pb-c.h"

/*
 * The cgroup of one container, on the unified hierarchy (cgroup v2); on those of version 1 where that is
 * not mounted at all.
 *
 * The hierarchy is where /proc/self/mountinfo says cgroup2 is mounted: /sys/fs/cgroup in the guest,
 * possibly /sys/fs/cgroup/unified, without any controller, on a machine that runs the tests.
 *
 * What a missing controller means is decided per setting:
 *   - a limit somebody asked for that cannot be set (memory, pids, cpu quota, cpuset, hugetlb,
 *     io) is an error that names the file;
 *   - what is only a preference (cpu and io weights, memory reservation), what merely forbids
 *     swap in a guest without swap accounting, what cgroup v2 has no file for (kernel memory,
 *     swappiness, real-time), and the device filter on a kernel without BPF are skipped and named
 *     in *ret_skipped, for the caller to log.
 *
 * Functions with a deadline wait in fibers; the others are a few small reads and writes.
 */
struct cgroup;

/*
 * Create it, with its parents, and turn on the controllers along the way.
 *
 * cgroups_path  Linux.CgroupsPath (common/oci/cgroups_path.h); empty becomes "/<container_id>"
 *
 * A cgroup that is there already is taken over if no process is in it, and ERR_EXISTS otherwise.
 * Release with cgroup_remove() and cgroup_free().
 */
struct cgroup *cgroup_create(const char *cgroups_path, const char *container_id, struct err *e)
	must_check;

/* Closes the descriptors; the cgroup itself stays. NULL is fine. */
void cgroup_free(struct cgroup *cg);

/* Its path below the root of the hierarchy, with a leading '/': for StageRequest.cgroup. */
const char *cgroup_path(const struct cgroup *cg);

/* Directory descriptor for child_spec.cgroup_fd, borrowed. For a container's init. */
int cgroup_fd(const struct cgroup *cg);

/*
 * On cgroup v1, where a process cannot be started in its cgroups: the files that it writes "0" to before
 * its program runs. NULL on v2. Borrowed. With these the descriptors above and below are -1.
 */
char *const *cgroup_files(const struct cgroup *cg);

/*
 * Directory descriptor for an exec'd process, for close(). <cgroup>/init when that exists: once a
 * workload has enabled controllers for sub-cgroups, its own cgroup takes no processes (EBUSY).
 */
int cgroup_exec_fd(const struct cgroup *cg, struct err *e) must_check;

/*
 * Set what is set in `resources`: 0 is unset, -1 unlimited. For creation and for updates.
 *
 * Devices: a filter is attached when the list contains a rule that denies, and replaces an earlier
 * one: deny everything, then the default devices of the OCI runtimes, then the rules in order. A
 * list without denial leaves device access alone, because Kata's hosts remove the list and the
 * agent adds rules for hot-plugged devices.
 *
 * ret_skipped  one line for free(), NULL if nothing was skipped; may be NULL itself
 */
int cgroup_apply(struct cgroup *cg, const Grpc__LinuxResources *resources, char **ret_skipped,
		 struct err *e) must_check;

/* SIGKILL to every process in it and below. Returns when the kernel has sent the signals. */
int cgroup_kill(struct cgroup *cg, struct err *e) must_check;

/* Until the kernel reports it frozen or thawed. After a failed freeze it is thawed again. */
int cgroup_freeze(struct cgroup *cg, struct deadline d, struct err *e) must_check;
int cgroup_thaw(struct cgroup *cg, struct deadline d, struct err *e) must_check;

/*
 * What the kernel counts, as StatsContainer answers it; a file that is missing leaves its fields 0.
 * Release with grpc__cgroup_stats__free_unpacked(s, NULL).
 */
Grpc__CgroupStats *cgroup_stats(const struct cgroup *cg, struct err *e) must_check;

/* oom_kill of memory.events: processes of this cgroup killed so far. No controller: 0. */
int cgroup_oom_kills(const struct cgroup *cg, uint64_t *ret, struct err *e) must_check;

/*
 * A non-blocking inotify descriptor, for close(), that becomes readable when memory.events or
 * cgroup.events change: read (and drop) what it has, then ask cgroup_oom_kills() and
 * cgroup_populated(). ERR_UNSUPPORTED without a memory controller.
 */
int cgroup_watch_fd(const struct cgroup *cg, struct err *e) must_check;

/* Is any process in it or below? */
int cgroup_populated(const struct cgroup *cg, bool *ret, struct err *e) must_check;

/* Every pid in it and below, as the caller's pid namespace numbers them. *ret is for free(). */
int cgroup_pids(const struct cgroup *cg, pid_t **ret, size_t *ret_n, struct err *e) must_check;

/*
 * Remove it with everything below, once its processes are gone: kill them first. Retries while they
 * vanish, until the deadline. Parents stay. Already gone: success.
 */
int cgroup_remove(struct cgroup *cg, struct deadline d, struct err *e) must_check;

/*
 * Make the cpuset of the cgroup's parents at least `cpus` ("0-3"): after CPUs were plugged in. An
 * empty string gives a cpuset its parent's CPUs again. No controller: success.
 */
int cgroup_widen_cpuset(struct cgroup *cg, const char *cpus, struct err *e) must_check;

#endif
