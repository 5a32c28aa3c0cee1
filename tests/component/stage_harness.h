/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_TESTS_STAGE_HARNESS_H
#define HUSK_TESTS_STAGE_HARNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stage.pb-c.h"

/*
 * Runs the real stage in a process of its own, as the agent would: this very program executed again,
 * in a new pid namespace, with the descriptors of agent/process/stage.h. The container's root is a
 * temporary directory with a static busybox. Needs root.
 */
#define HARNESS_ITEMS 32

struct stage_run {
	char *dir;    /* temporary; the root is dir/rootfs */
	char *rootfs; /* borrowed by req */

	Husk__Stage__StageRequest req;
	Grpc__Spec spec;
	Grpc__Root root;
	Grpc__Linux linux_part;
	Grpc__Process process;
	Grpc__User user;
	Grpc__LinuxCapabilities caps;
	Grpc__Mount mount[HARNESS_ITEMS], *mounts[HARNESS_ITEMS];
	Husk__Stage__StageNamespace ns[HARNESS_ITEMS], *namespaces[HARNESS_ITEMS];
	char *args[HARNESS_ITEMS];

	int ns_fds[HARNESS_ITEMS]; /* to hand over, in the order of their numbers in the child */
	size_t n_ns_fds;
	int join_pid; /* be in the pid namespace of this process; 0: a new one */
	bool hold;    /* end the start pipe instead of sending the byte */

	/* Filled by stage_run_go(). */
	bool ready;
	char **warnings;
	char *step, *error; /* of StageError; NULL: none */
	char *out;          /* standard output and error of the program */
	int code;           /* exit code, or 128 + signal */
};

/* A literal where protobuf-c wants a char *; nothing writes to it. */
static inline char *lit(const char *s)
{
	return (char *)(uintptr_t)s;
}

/* True: the caller has been started as the stage and must return *ret_code from main(). */
bool stage_run_is_stage(int argc, char **argv, int *ret_code);

/* A root with busybox, proc, dev, devpts and sysfs; new mount, uts, ipc and cgroup namespaces. */
void stage_run_init(struct stage_run *t);
void stage_run_done(struct stage_run *t);

/* `options` are comma separated. */
void stage_run_mount(struct stage_run *t, const char *destination, const char *type,
		     const char *source, const char *options);
void stage_run_namespace(struct stage_run *t, const char *type, int fd);
/* The program is `sh -c script`. */
void stage_run_shell(struct stage_run *t, const char *script);
void stage_run_all_caps(struct stage_run *t);

/* Start it and wait for its end; called once. */
void stage_run_go(struct stage_run *t);

/* The same, but returns the pid once it has reported READY and was told to start; for exec tests. */
int stage_run_begin(struct stage_run *t);
void stage_run_end(struct stage_run *t, int pid);
void stage_run_reap(int pid);

/* Path below the test's directory, in a buffer that the next call but three overwrites. */
const char *stage_run_path(const struct stage_run *t, const char *below);

#endif
