/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_AGENT_STAGE_STEP_H
#define HUSK_AGENT_STAGE_STEP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/base/err.h"
#include "stage.pb-c.h"

/*
 * What the steps of `husk-agent stage` share: the request, and what earlier steps leave for later
 * ones. The order of the steps, and why it is that order, is in stage.c.
 *
 * Everything here is plain blocking C in a process of one thread that ends in exec or _exit, so
 * nothing is released on the way out; every descriptor is close-on-exec.
 */
struct detached_mount;
struct seccomp_filter;

struct stage {
	Husk__Stage__StageRequest *req;
	Grpc__Spec *spec;
	Grpc__Linux *linux_spec; /* never NULL: an empty one stands in */
	Grpc__Process *process;

	unsigned new_ns;    /* CLONE_NEW* that this process makes itself */
	unsigned joined_ns; /* CLONE_NEW* that it joins; pid in neither: the parent sees to it */

	/* Detached mounts, made while the guest's tree and privileges are at hand. */
	struct detached_mount *mounts; /* one for each of spec->mounts */
	int procfs;                    /* of this process's pid namespace, for /proc/sys */

	int rootfd; /* the container's root, once it is mounted; exec: "/" after joining */

	uint64_t guest_pid; /* this process, as the guest numbers it */

	uid_t uid;
	gid_t gid;
	int apparmor, selinux; /* where the label of the next exec is written; -1: not at all */
	bool label_mounts;     /* new file systems get Linux.MountLabel */
	gid_t *groups;         /* additional ones */
	size_t n_groups;
	uint64_t bounding, effective, inheritable, permitted, ambient; /* bit n: capability n */
	struct seccomp_filter *filter;                                 /* NULL: none */
	char **env;
	char *program; /* what PATH led to */
};

/* 0, or -1 with the error. The step's name is put in front of the text by the caller. */
typedef int (*stage_step_fn)(struct stage *s, struct err *e);

/* For the log of the agent: something that was asked for is not done, and that is no failure. stage.c */
void stage_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* stage_check.c */
int stage_check_request(struct stage *s, struct err *e);

/* stage_session.c */
int stage_reset_signals(struct stage *s, struct err *e);
int stage_new_session(struct stage *s, struct err *e);
int stage_set_oom_score(struct stage *s, struct err *e);
int stage_set_stdio_owner(struct stage *s, struct err *e);

/* stage_terminal.c */
int stage_open_terminal(struct stage *s, struct err *e);
int stage_set_terminal(struct stage *s, struct err *e);

/* stage_user.c */
int stage_find_user(struct stage *s, struct err *e);
int stage_set_user(struct stage *s, struct err *e);

/* stage_confine.c */
int stage_set_rlimits(struct stage *s, struct err *e);
int stage_read_capabilities(struct stage *s, struct err *e);
int stage_build_seccomp(struct stage *s, struct err *e);
int stage_set_no_new_privs(struct stage *s, struct err *e);
int stage_drop_bounding(struct stage *s, struct err *e);
int stage_load_seccomp_early(struct stage *s, struct err *e);
int stage_set_capabilities(struct stage *s, struct err *e);
int stage_load_seccomp_late(struct stage *s, struct err *e);

/* stage_labels.c */
int stage_open_labels(struct stage *s, struct err *e);
int stage_set_labels(struct stage *s, struct err *e);
/* The option that gives a new file system Linux.MountLabel, for free(); NULL: there is none to give. */
char *stage_mount_context(const struct stage *s);

/* stage_exec.c */
int stage_change_directory(struct stage *s, struct err *e);
int stage_find_program(struct stage *s, struct err *e);
int stage_wait_for_start(struct stage *s, struct err *e);
int stage_exec(struct stage *s, struct err *e);

/* agent/container/namespaces.c */
int namespaces_join(struct stage *s, struct err *e);
int namespaces_join_user(struct stage *s, struct err *e);
int namespaces_create(struct stage *s, struct err *e);
int namespaces_set_hostname(struct stage *s, struct err *e);

/* agent/container/mounts.c */
int mounts_prepare(struct stage *s, struct err *e);
int mounts_attach(struct stage *s, struct err *e);
int mounts_finish(struct stage *s, struct err *e);

/* agent/container/rootfs.c */
int rootfs_prepare(struct stage *s, struct err *e);
int rootfs_make_cwd(struct stage *s, struct err *e);
int rootfs_enter(struct stage *s, struct err *e);
int rootfs_finish(struct stage *s, struct err *e);

/* agent/container/devices.c */
int devices_create(struct stage *s, struct err *e);

/* agent/container/paths.c */
int paths_mask(struct stage *s, struct err *e);
int paths_make_readonly(struct stage *s, struct err *e);

/* agent/container/sysctl.c */
int sysctl_apply(struct stage *s, struct err *e);

/* agent/container/hooks.c */
int hooks_read_state(struct stage *s, struct err *e);
int hooks_wait_prestart(struct stage *s, struct err *e);
int hooks_create_container(struct stage *s, struct err *e);
int hooks_start_container(struct stage *s, struct err *e);

#endif
