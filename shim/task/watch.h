/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_SHIM_TASK_WATCH_H
#define HUSK_SHIM_TASK_WATCH_H

#include "shim/task/container.h"

/*
 * What happens without a request: processes end, the VM dies, the guest runs out of memory, and the
 * sandbox is taken down when its time has come.
 */

/* The process runs in the guest: wait for its end there and pass it on. */
void watch_process(struct process *p);

/* The sandbox was booted: notice its death and its OOM kills. */
void watch_sandbox(struct task_service *s);

/*
 * The process is over. Drain its streams, end its execs if it is an init process, then note it; the
 * container that owns the sandbox takes it along. Does nothing if that was done before.
 */
void process_finish(struct process *p, uint32_t status, struct timespec at);

/*
 * Stop the sandbox, in a fiber of its own: containers out of it, then the VM. Idempotent.
 * service_wait_ended() returns when that is done.
 */
void service_end_sandbox(struct task_service *s);
int service_wait_ended(struct task_service *s, struct deadline d, struct err *e) must_check;

/* Ask the guest for figures to keep, at most until d; whatever fails, the last ones stay. */
int stats_refresh(struct container *c, struct agent *agent, struct deadline d, struct err *e)
	must_check;

#endif
