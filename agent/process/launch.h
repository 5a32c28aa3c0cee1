/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_AGENT_LAUNCH_H
#define HUSK_AGENT_LAUNCH_H

#include "agent/process/process.h"

/* Between launch.c, which makes a process, and process.c, which sees it through. */

/* Start the fiber that waits for the exit. */
void process_watch(struct process *p);

/* After the start byte: until the status pipe closes by the exec, or carries the step that failed. */
int stage_wait_exec(struct process *p, struct deadline d, struct err *e) must_check;

#endif
