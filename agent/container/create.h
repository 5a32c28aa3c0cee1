/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_AGENT_CREATE_H
#define HUSK_AGENT_CREATE_H

#include "agent/container/container.h"

/* Between create.c, which makes a container, and container.c, which does things to it. */

void container_on_exit(struct process *p, void *arg);
void container_on_done(struct process *p, void *arg);
void container_end_processes(void *arg); /* an undo function */

/* Has it arguments, a working directory, no more of anything than is sensible? */
int process_check(const Grpc__Process *process, struct err *e) must_check;

#endif
