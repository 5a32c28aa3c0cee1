/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_AGENT_CGROUP_PRIVATE_H
#define HUSK_AGENT_CGROUP_PRIVATE_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/cgroup/cgroup.h"
#include "common/base/mem.h"

/* Shared by the files of agent/cgroup and their tests. */
struct cgroup {
	char *path;  /* below the root of the hierarchy, leading '/' */
	int rootfd;  /* of the hierarchy */
	int fd;      /* of the cgroup */
	int devices; /* attached BPF program; -1: none */

	struct cgroup_v1 *v1; /* without a unified hierarchy; NULL: there is one */
};

/* cgroup_create() on a hierarchy that is mounted at `root`. */
struct cgroup *cgroup_create_at(const char *root, const char *cgroups_path, struct err *e)
	must_check;

/* Every pid in the cgroup `dir` and below; as cgroup_pids(). */
int cgroup_pids_below(int dir, pid_t **ret, size_t *ret_n, struct err *e) must_check;

/* Remove the cgroups below `dir`. */
int cgroup_remove_below(int dir, struct err *e) must_check;

/* "2MB", "1GB", "64KB" */
bool cgroup_is_page_size(const char *size);

/* The number behind "key " in a file of such lines. False: no such line. */
bool cgroup_parse_key(const char *text, const char *key, uint64_t *ret);

/* cpu.shares (2 to 262144) of cgroup v1 to cpu.weight (1 to 10000), as the OCI runtimes do. */
uint64_t cgroup_cpu_weight(uint64_t shares);

/* blkio.weight (10 to 1000) to io.weight (1 to 10000). */
uint64_t cgroup_io_weight(uint64_t weight);

#endif
