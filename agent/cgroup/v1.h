/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_AGENT_CGROUP_V1_H
#define HUSK_AGENT_CGROUP_V1_H

#include "agent/cgroup/cgroup_private.h"

struct settings;

/*
 * The older hierarchies (cgroup v1, Documentation/admin-guide/cgroup-v1), one for each controller or few
 * of them, in a guest that has no unified one. What cgroup.h says holds here too, by the names of the
 * files that they have; a device filter is the devices controller's lists.
 */
#define V1_HIERARCHIES_MAX 16

struct v1_hierarchy {
	char *controllers; /* ",cpu,cpuacct," */
	char *mount_point;
	int rootfd, fd; /* of the hierarchy, of the container's cgroup in it; -1: not made yet */
};

struct cgroup_v1 {
	struct v1_hierarchy h[V1_HIERARCHIES_MAX];
	size_t n;
	char **files; /* cgroup.procs of each, by path */
};

/* Where what is mounted, from the text of mountinfo; the descriptors are -1. False: nothing is. */
bool v1_parse_mounts(const char *mountinfo, struct cgroup_v1 *ret);
void v1_done(struct cgroup_v1 *v);

/* The container's directory in the hierarchy of this controller, borrowed; -1: there is none. */
int v1_dir(const struct cgroup *cg, const char *controller);

/* `path` in each hierarchy. ERR_EXISTS if it is there with processes in it. */
int v1_make(struct cgroup_v1 *v, const char *path, struct err *e) must_check;

int v1_apply(struct settings *s, const Grpc__LinuxResources *r, struct err *e) must_check;
Grpc__CgroupStats *v1_stats(const struct cgroup *cg, struct err *e) must_check;
int v1_kill(struct cgroup *cg, struct err *e) must_check;
int v1_freeze(struct cgroup *cg, bool freeze, struct deadline d, struct err *e) must_check;
int v1_pids(const struct cgroup *cg, pid_t **ret, size_t *ret_n, struct err *e) must_check;
int v1_oom_kills(const struct cgroup *cg, uint64_t *ret, struct err *e) must_check;
int v1_watch_fd(const struct cgroup *cg, struct err *e) must_check;
int v1_try_remove(const struct cgroup *cg, struct err *e) must_check;
int v1_widen_cpuset(struct cgroup *cg, const char *cpus, struct err *e) must_check;

#endif
