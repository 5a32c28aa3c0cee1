/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_AGENT_MOUNTS_H
#define HUSK_AGENT_MOUNTS_H

#include <stdbool.h>

#include "agent/container/mount_attr.h"

/* One entry of Spec.Mounts on its way from detached to attached. */
struct detached_mount {
	struct mount_attrs attrs;
	bool bind;
	bool readonly_later; /* /dev, which gets its nodes first */
	bool cgroup_v1;      /* a tmpfs that is filled once it is attached */
	int fd;              /* -1: not made yet */
};

/* "/a//b/" and "/a/b" are the same destination. */
bool mounts_same_path(const char *a, const char *b);

/*
 * May something be bind mounted there? /proc itself takes a procfs only, and below it just the
 * files that are replaced to show a container's share (lxcfs). *ret_needs_procfs: only a source that
 * is on a procfs will do.
 */
bool mounts_bind_allowed(const char *destination, bool *ret_needs_procfs);

#endif
