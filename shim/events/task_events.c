/* SPDX-License-Identifier: Apache-2.0 */
/* Building the events of a task; see task_events.h. */
#include "shim/events/task_events.h"

#include "shim/agent/agent.h"

static Google__Protobuf__Timestamp timestamp_of(struct timespec at)
{
	Google__Protobuf__Timestamp ts;

	google__protobuf__timestamp__init(&ts);
	ts.seconds = at.tv_sec;
	ts.nanos = (int32_t)at.tv_nsec;
	return ts;
}

void event_task_create(struct publisher *p, const struct task_create_event *ev)
{
	Containerd__Events__TaskCreate message;
	Containerd__Events__TaskIO io;

	containerd__events__task_io__init(&io);
	io.stdin = message_text(ev->stdin_uri);
	io.stdout = message_text(ev->stdout_uri);
	io.stderr = message_text(ev->stderr_uri);
	io.terminal = ev->terminal;

	containerd__events__task_create__init(&message);
	message.container_id = message_text(ev->id);
	message.bundle = message_text(ev->bundle);
	message.rootfs = ev->rootfs;
	message.n_rootfs = ev->n_rootfs;
	message.io = &io;
	message.pid = (uint32_t)ev->pid;
	publisher_send(p, "/tasks/create", &message.base);
}

void event_task_start(struct publisher *p, const char *id, pid_t pid)
{
	Containerd__Events__TaskStart message;

	containerd__events__task_start__init(&message);
	message.container_id = message_text(id);
	message.pid = (uint32_t)pid;
	publisher_send(p, "/tasks/start", &message.base);
}

void event_task_exit(struct publisher *p, const struct task_exit_event *ev)
{
	Google__Protobuf__Timestamp at = timestamp_of(ev->exited_at);
	Containerd__Events__TaskExit message;

	containerd__events__task_exit__init(&message);
	message.container_id = message_text(ev->container_id);
	message.id = message_text(ev->id);
	message.pid = (uint32_t)ev->pid;
	message.exit_status = ev->exit_status;
	message.exited_at = &at;
	publisher_send(p, "/tasks/exit", &message.base);
}

void event_task_delete(struct publisher *p, const struct task_exit_event *ev)
{
	Google__Protobuf__Timestamp at = timestamp_of(ev->exited_at);
	Containerd__Events__TaskDelete message;

	containerd__events__task_delete__init(&message);
	message.container_id = message_text(ev->container_id);
	message.id = message_text(ev->id);
	message.pid = (uint32_t)ev->pid;
	message.exit_status = ev->exit_status;
	message.exited_at = &at;
	publisher_send(p, "/tasks/delete", &message.base);
}

void event_task_exec_added(struct publisher *p, const char *id, const char *exec_id)
{
	Containerd__Events__TaskExecAdded message;

	containerd__events__task_exec_added__init(&message);
	message.container_id = message_text(id);
	message.exec_id = message_text(exec_id);
	publisher_send(p, "/tasks/exec-added", &message.base);
}

void event_task_exec_started(struct publisher *p, const char *id, const char *exec_id, pid_t pid)
{
	Containerd__Events__TaskExecStarted message;

	containerd__events__task_exec_started__init(&message);
	message.container_id = message_text(id);
	message.exec_id = message_text(exec_id);
	message.pid = (uint32_t)pid;
	publisher_send(p, "/tasks/exec-started", &message.base);
}

void event_task_oom(struct publisher *p, const char *id)
{
	Containerd__Events__TaskOOM message;

	containerd__events__task_oom__init(&message);
	message.container_id = message_text(id);
	publisher_send(p, "/tasks/oom", &message.base);
}

void event_task_paused(struct publisher *p, const char *id)
{
	Containerd__Events__TaskPaused message;

	containerd__events__task_paused__init(&message);
	message.container_id = message_text(id);
	publisher_send(p, "/tasks/paused", &message.base);
}

void event_task_resumed(struct publisher *p, const char *id)
{
	Containerd__Events__TaskResumed message;

	containerd__events__task_resumed__init(&message);
	message.container_id = message_text(id);
	publisher_send(p, "/tasks/resumed", &message.base);
}
