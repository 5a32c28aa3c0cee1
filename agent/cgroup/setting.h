/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_AGENT_CGROUP_SETTING_H
#define HUSK_AGENT_CGROUP_SETTING_H

#include "agent/cgroup/cgroup_private.h"

/*
 * What both versions of cgroups do with each of LinuxResources: it is written, or refused, or skipped and
 * noted, by what it is.
 */
enum importance {
	LIMIT,      /* failing is an error */
	PREFERENCE, /* failing is noted */
};

struct settings {
	struct cgroup *cg;
	struct buf skipped; /* "cpu.weight, swappiness", for buf_done() */
};

/* `what` is not applied. */
void setting_skip(struct settings *s, const char *what);

/* Write `value` to a file of the cgroup; on v1 in the hierarchy of the controller that its name begins with. */
int setting_write(struct settings *s, enum importance importance, const char *file,
		  const char *value, struct err *e) must_check;

/* Each to "hugetlb.<size>.<file>". */
int settings_huge_pages(struct settings *s, Grpc__LinuxHugepageLimit *const *list, size_t n,
			const char *file, struct err *e) must_check;

#endif
