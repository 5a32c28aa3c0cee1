/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_SHIM_TASK_EVENTS_H
#define HUSK_SHIM_TASK_EVENTS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "events.pb-c.h"
#include "shim/events/publisher.h"

/*
 * The events of a task, one function each: topic and message as containerd knows them
 * (containerd-shim.md 2.8, 3.2). The order of the calls is the order in which containerd gets them.
 */
struct task_create_event {
	const char *id, *bundle;
	Containerd__Types__Mount **rootfs; /* as Create got them; borrowed */
	size_t n_rootfs;
	const char *stdin_uri, *stdout_uri, *stderr_uri;
	bool terminal;
	pid_t pid;
};

struct task_exit_event {
	const char *container_id;
	const char *id; /* of the process: the container's for init, the exec id otherwise */
	pid_t pid;
	uint32_t exit_status;
	struct timespec exited_at;
};

void event_task_create(struct publisher *p, const struct task_create_event *ev);
void event_task_start(struct publisher *p, const char *id, pid_t pid);
void event_task_exit(struct publisher *p, const struct task_exit_event *ev);
void event_task_delete(struct publisher *p, const struct task_exit_event *ev);
void event_task_exec_added(struct publisher *p, const char *id, const char *exec_id);
void event_task_exec_started(struct publisher *p, const char *id, const char *exec_id, pid_t pid);
void event_task_oom(struct publisher *p, const char *id);
void event_task_paused(struct publisher *p, const char *id);
void event_task_resumed(struct publisher *p, const char *id);

#endif
