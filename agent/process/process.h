/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_AGENT_PROCESS_H
#define HUSK_AGENT_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/process/streams.h"
#include "common/async/child.h"
#include "common/async/fiber.h"
#include "common/base/id.h"
#include "stage.pb-c.h"

/*
 * A process of a container: its init or one that was exec'd into it.
 *
 * process_create() gives one that is ready up to its exec, process_start() lets it go. From creation
 * on a fiber of its own waits for the exit, so that the code is known whether anybody asks or not,
 * and stays known until the process is released.
 *
 * References: the container holds one as long as the process is in its list; whoever waits for
 * something of the process holds another one meanwhile.
 */
struct process {
	char container_id[ID_MAX + 1];
	char exec_id[ID_MAX + 1]; /* "" for the init */
	unsigned refs;
	bool terminal;
	struct child *child;
	struct io *status; /* from the stage; NULL once the exec has been seen */
	int start_fd;      /* to the stage; -1 once it was told to go on */
	struct in_stream *in;
	struct out_stream *out, *err; /* a terminal has no err */
	int stood_in_for;             /* the signal that SIGKILL was sent in place of; 0: none */
	bool exited;
	int exit_code;
	bool answered; /* somebody has been told the exit code */
	bool released; /* the container has let it go */
	struct cond changed;
	void (*on_exit)(struct process *p, void *arg);
	void (*on_done)(struct process *p, void *arg);
	void *arg;
	struct process *prev, *next; /* in the container's list */
};

struct process_namespace {
	const char *type; /* as StageNamespace.type */
	int fd;           /* to join, borrowed; -1: a new one */
};

struct process_params {
	const char *container_id, *exec_id;
	bool exec; /* into a running container */
	Grpc__Spec *spec;
	Grpc__Process *process;
	const struct process_namespace *namespaces;
	size_t n_namespaces;
	const int *pidns_fd;  /* to be a member of; NULL: a new pid namespace */
	const int *cgroup_fd; /* to start in; NULL: the agent's */
	char *const *
		cgroup_files; /* of cgroup v1, to be written to before the stage runs; NULL: none */
	const char *rootfs, *cgroup_path;
	const char *run_dir; /* the agent's, for host_path_open(); "" for an exec */
	bool no_pivot;
	uint32_t pipe_size;

	/* Run prestart hooks, if the spec has any, with the process waiting; a failure ends it. */
	int (*prestart)(void *arg, pid_t pid, struct deadline d, struct err *e);
	/* Its exit, before anybody is told; must not wait. */
	void (*on_exit)(struct process *p, void *arg);
	/* It has ended, the code was asked for, the streams are at their end: may be released. */
	void (*on_done)(struct process *p, void *arg);
	void *arg;
};

/*
 * Until it is ready to exec, or the step that failed is known. The result is the caller's, with one
 * reference. A failure leaves nothing behind.
 */
struct process *process_create(const struct process_params *params, struct deadline d,
			       struct err *e) must_check;

struct process *process_ref(struct process *p); /* returns it */
void process_unref(struct process *p);
static inline void process_unref_slot(struct process **p)
{
	if (*p)
		process_unref(*p);
}
#define auto_process CLEANUP(process_unref_slot)

/* Let it go: until its exec has succeeded. ERR_STATE if it was started before or has ended. */
int process_start(struct process *p, struct deadline d, struct err *e) must_check;

/* Until it has exited; 0 to 255. Any number of fibers may wait. */
int process_wait(struct process *p, struct deadline d, int *ret_code, struct err *e) must_check;

/*
 * SIGTERM and SIGINT to the first process of a pid namespace that has no handler for it become
 * SIGKILL: the kernel would drop them. The exit code is then that of the signal that was asked for,
 * 143 or 130, as it is for every other process. Success when it has exited already.
 */
int process_signal(struct process *p, int sig, struct err *e) must_check;

/* Kill it, wait for that, end its streams, give up the container's reference. Waits. */
void process_release(struct process *p);

/* As out_stream_read(), with the bookkeeping of who still needs the process. */
int process_read(struct process *p, struct out_stream *s, size_t max,
		 const struct out_stream_mover *mover, uint8_t **ret, size_t *ret_len,
		 struct deadline d, struct err *e) must_check;

#endif
