/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `delete`: containerd runs it after every teardown, ordinary or not (containerd-shim.md 1.13). It is
 * quick, works without the server, and touches the sandbox only if that is the task's own (the tasks of
 * a pod share one) or the task booted it and nobody is in it any more.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "common/async/deadline.h"
#include "common/base/fd.h"
#include "common/base/id.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "hypervisor/record.h"
#include "shim/address.h"
#include "shim/bundle.h"
#include "shim/command.h"
#include "shim/record.h"
#include "shim/sandbox/hooks.h"
#include "shim/sandbox/sandbox.h"
#include "task.pb-c.h"

#define STATUS_KILLED    137u /* 128 + SIGKILL, as runc's and Kata's shims answer */
#define SERVER_LEAVES_MS 300  /* for a server that is just ending by itself */
/*
 * A killed process is gone when it runs next, which another's time slice, or a host that takes the processor
 * away, puts off. containerd gives the whole of a delete 5 s (io.containerd.timeout.shim.cleanup).
 */
#define SERVER_DIES_MS   3000
/* Hooks that are owed: after the whole 5 s they are killed with us, and there is no answer. */
#define HOOKS_END_MS     4500
/* A child of a killed server has a copy of its lock until it execs, or finds that it is alone. */
#define LOCK_WAIT_MS     10
#define LOCK_TRIES       200
#define SOCKET_WAIT_MS   50
#define ROOTFS_LAYERS    16 /* mounts over each other at one place */

/* A server that lives on holds what is to be removed. Without one there is nothing to do. */
static void end_server(const struct shim_record_found *r)
{
	auto_close int pidfd = -1;
	struct pollfd ended = { .events = POLLIN };
	uint64_t start_time;

	if (r->shim_pid <= 0)
		return;
	pidfd = (int)syscall(SYS_pidfd_open, r->shim_pid, 0);
	if (pidfd < 0)
		return;
	/* After the pidfd was opened: now the number cannot pass on to another process unseen. */
	if (record_start_time(r->shim_pid, &start_time) < 0 || start_time != r->shim_start_time)
		return;
	ended.fd = pidfd;
	if (poll(&ended, 1, SERVER_LEAVES_MS) != 0)
		return;
	if (syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0) == 0)
		(void)poll(&ended, 1, SERVER_DIES_MS);
}

/* The task's own: with that it ends, whoever is in it still. */
static int clean_up_sandbox(const char *state_dir, const char *ns, const char *id, pid_t *ret_pid,
			    struct err *e)
{
	struct shim_record_found record;
	struct err why = ERR_INIT;
	const struct timespec pause = { .tv_nsec = LOCK_WAIT_MS * 1000000l };
	int found = record_read(state_dir, ns, id, &record, &why);

	if (found < 0)
		log_debug("%s", why.text);
	if (found > 0)
		*ret_pid = record.vmm_pid;
	for (int tries = 0;; tries++) {
		why = ERR_INIT;
		if (sandbox_clean_up(state_dir, ns, id, &why) == 0)
			return 0;
		if (why.code != ERR_STATE || tries == LOCK_TRIES) {
			*e = why;
			return -1;
		}
		if (tries == 0 && found > 0)
			end_server(&record);
		else
			(void)nanosleep(&pause, NULL);
	}
}

/*
 * That of a group of containers has no task of its own. One of them booted it; who comes last is open:
 * 1 if there are others in it.
 */
static int clean_up_group(const char *state_dir, const char *ns, const char *group, struct err *e)
{
	struct err why = ERR_INIT;

	if (sandbox_clean_up(state_dir, ns, group, &why) == 0)
		return 0;
	if (why.code == ERR_STATE)
		return 1;
	*e = why;
	return -1;
}

/*
 * A server that was killed takes connections until the kernel comes to its descriptors. The socket of one
 * that goes on living stays, as a group's may that has no sandbox any more.
 */
static void remove_socket(const char *bundle, int64_t wait_ms)
{
	auto_free char *socket = bundle_read_address(bundle);
	const struct timespec pause = { .tv_nsec = SOCKET_WAIT_MS * 1000000l };
	const struct deadline limit = deadline_in_ms(wait_ms);

	if (!socket)
		return;
	while (address_answers(socket)) {
		if (deadline_passed(limit))
			return;
		(void)nanosleep(&pause, NULL);
	}
	(void)unlink(socket);
}

/* What containerd mounted there it unmounts itself; what a crash of ours left it would trip over. */
static void unmount_rootfs(const char *bundle)
{
	auto_free char *rootfs = path_join(bundle, "rootfs");

	for (int i = 0; i < ROOTFS_LAYERS; i++)
		if (umount2(rootfs, MNT_DETACH | UMOUNT_NOFOLLOW) < 0)
			return;
}

static int print_answer(pid_t pid, struct err *e)
{
	Containerd__Task__V2__DeleteResponse answer;
	Google__Protobuf__Timestamp at;
	auto_free uint8_t *bytes = NULL;
	struct timespec now;
	size_t len;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	google__protobuf__timestamp__init(&at);
	at.seconds = now.tv_sec;
	at.nanos = (int32_t)now.tv_nsec;
	containerd__task__v2__delete_response__init(&answer);
	answer.pid = (uint32_t)pid;
	answer.exit_status = STATUS_KILLED;
	answer.exited_at = &at;

	len = containerd__task__v2__delete_response__get_packed_size(&answer);
	bytes = xmalloc(len);
	(void)containerd__task__v2__delete_response__pack(&answer, bytes);
	if (write_all(STDOUT_FILENO, bytes, len) < 0)
		return err_sys(e, errno, "write the answer");
	return 0;
}

int command_delete(const struct shim_args *args, struct err *e)
{
	auto_free char *bundle = args->bundle[0] ? xstrdup(args->bundle) : getcwd(NULL, 0);
	auto_free char *group = NULL, *state_dir = NULL;
	struct deadline hooks_end = deadline_in_ms(HOOKS_END_MS);
	struct err why = ERR_INIT;
	pid_t pid = 0;
	int others = 0;
	bool own;

	log_set_level(LOG_LEVEL_WARN);
	if (!bundle)
		return err_sys(e, errno, "working directory");
	if (id_check("task id", args->id, e) < 0 || id_check("namespace", args->ns, e) < 0)
		return -1;
	/* A bundle that is half gone still names its sandbox by its own id. */
	if (bundle_group_id(bundle, args->id, &group, &why) < 0)
		group = xstrdup(args->id);

	own = strcmp(group, args->id) == 0;
	if (own || record_has_state_dir(bundle)) {
		state_dir = record_find_state_dir(bundle);
		others = own ? clean_up_sandbox(state_dir, args->ns, args->id, &pid, e)
			     : clean_up_group(state_dir, args->ns, group, e);
		if (others < 0)
			return err_wrap(e, "delete '%s'", args->id);
		if (!others)
			remove_socket(bundle, own ? SERVER_DIES_MS : SERVER_LEAVES_MS);
	}
	unmount_rootfs(bundle);
	hooks_run_owed(bundle, args->id, hooks_end);
	return print_answer(pid, e);
}
