/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_SHIM_SANDBOX_HOST_CGROUP_H
#define HUSK_SHIM_SANDBOX_HOST_CGROUP_H

#include <stdint.h>

#include "shim/sandbox/directory.h"

/*
 * The cgroup of a sandbox on the host, so that the VMM is charged to the pod: the spec's cgroupsPath
 * in every mounted hierarchy (v2, v1, or v1 with a v2 one beside them). On v2, in a slice of systemd's, the
 * processes are in "vmm" below it, by which systemd leaves it its controllers. It is bound to CPUs and memory
 * nodes; other limits are not set: those of a container are applied in the guest, those of a pod are its
 * parent's.
 */

/*
 * Make it and write the list for hv_spec.cgroup; its path, for free(), goes to *ret_list (NULL for
 * a spec without cgroupsPath). Directories that were not there, parents among them, are marked with
 * an extended attribute; `u` removes as host_cgroup_remove() does.
 */
int host_cgroup_create(const char *cgroups_path, struct directory *d, struct undo *u,
		       char **ret_list, struct err *e) must_check;

/*
 * Bind it to CPUs and memory nodes of the host ("0-3,7"); NULL: those of its parent. Nothing to do for
 * a sandbox without a cgroup; a host without the controller is said at Info.
 */
int host_cgroup_set_cpuset(const struct directory *d, const char *cpus, const char *mems,
			   struct err *e) must_check;

/* How many processes in there the host's OOM killer has ended. */
uint64_t host_cgroup_oom_kills(const struct directory *d);

/*
 * Remove the cgroups in the list, then their parents, upwards: those that are marked (whichever
 * sandbox made them; a kubelet's are not) and empty. Processes in them must have ended.
 */
void host_cgroup_remove(const struct directory *d);

#endif
