/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_SHIM_TASK_PROCESS_H
#define HUSK_SHIM_TASK_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>
#include <uthash.h>

#include "common/async/fiber.h"
#include "common/base/id.h"
#include "common/oci/spec.h"
#include "shim/io/stdio.h"

/*
 * One process of a container, as containerd sees it: the init process (exec id "") or an exec. Its
 * state, its streams, and how it ended, which is kept until Delete.
 *
 * The states are bits, as the method table wants them:
 *
 *      CREATING -> CREATED -> STARTING -> RUNNING <-> PAUSED
 *                     |           |          |           |
 *                     +-----------+----------+-----------+--> STOPPED
 */
enum process_state {
	PROCESS_CREATING = 1 << 1, /* Create is at work; only its id is taken */
	PROCESS_CREATED = 1 << 2,
	PROCESS_STARTING = 1 << 3, /* Start waits for the agent */
	PROCESS_RUNNING = 1 << 4,
	PROCESS_PAUSED = 1 << 5,
	PROCESS_STOPPED = 1 << 6,
};
/* From Create's answer to Delete's. */
#define PROCESS_ANY \
	(PROCESS_CREATED | PROCESS_STARTING | PROCESS_RUNNING | PROCESS_PAUSED | PROCESS_STOPPED)

const char *process_state_name(enum process_state state);

struct container;

struct process {
	struct container *container;
	char exec_id[ID_MAX + 1];
	enum process_state state; /* set by process_set_state() alone */

	char *stdin_uri, *stdout_uri, *stderr_uri; /* exactly as they were given */
	bool terminal;
	struct stdio *io;  /* NULL: not opened or closed again */
	bool attached;     /* the streams are being copied: there is something to drain */
	bool stdin_closed; /* CloseIO came before Start */

	uint32_t rows, columns;   /* asked for before Start; 0: not asked */
	struct oci_process *spec; /* of an exec */

	uint32_t exit_status;      /* from STOPPED on */
	struct timespec exited_at; /* wall clock of the host, from STOPPED on */
	bool freezing;             /* Pause or Resume is at work */
	bool deleting, deleted;    /* Delete is at work; it is no longer in the table */
	struct cond changed;       /* state, freezing, deleted */
	unsigned refs;
	UT_hash_handle hh; /* in container.execs, by exec_id */
};

/*
 * In state CREATING. The init process lives as long as its container, which frees it: references to
 * it are references to the container. An exec has references of its own, one of them for the caller,
 * and holds one to its container, which the caller has taken for it.
 */
struct process *process_new(struct container *c, const char *exec_id) must_check;
void process_free(struct process *p); /* for the container alone */
struct process *process_ref(struct process *p);
void process_unref(struct process *p);

static inline void process_unref_slot(struct process **p)
{
	if (*p)
		process_unref(*p);
}
#define auto_process CLEANUP(process_unref_slot)

void process_set_streams(struct process *p, const char *stdin_uri, const char *stdout_uri,
			 const char *stderr_uri, bool terminal);

/* Open the streams that were set. */
int process_open_streams(struct process *p, struct deadline d, struct err *e) must_check;

/* Asserts that the step is one of the picture above, and wakes whoever waits for `changed`. */
void process_set_state(struct process *p, enum process_state state);

bool process_is_init(const struct process *p);

/*
 * The process is over: note how, say so to containerd, then answer those who wait. In this order, so
 * that State says STOPPED before Wait is answered. Does nothing if it was noted before.
 */
void process_set_exited(struct process *p, uint32_t status, struct timespec at);

/* What an exit without a process to report it is stamped with. */
struct timespec process_now(void);

#define EXIT_STATUS_KILLED  137u /* 128 + SIGKILL: also what the death of the VM is */
#define EXIT_STATUS_UNKNOWN 255u

#endif
