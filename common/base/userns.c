/* SPDX-License-Identifier: Apache-2.0 */
/*
 * User namespaces by descriptor; see userns.h. A namespace is made with its first process. The child
 * shares our table of descriptors, and opens its own directory of /proc: the number that the child has in
 * our /proc need not be the one that clone told us, and no name of it is ever needed.
 */
#include "common/base/userns.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/fd.h"

#define OPEN_WAIT_MS 20000 /* everything else waits; longer takes only what is frozen */

/* Only system calls: another thread may have held the allocator's lock at the clone. */
static _Noreturn void run_child(int told, int wait)
{
	int proc = open("/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char byte;

	if (proc < 0)
		proc = -errno;
	(void)!write(told, &proc, sizeof(proc));
	(void)!read(wait, &byte, 1);
	_exit(0);
}

static int write_maps(int proc, const char *uid_map, const char *gid_map, struct err *e)
{
	int fd;

	if (file_write(proc, "uid_map", uid_map, strlen(uid_map), e) < 0 ||
	    file_write(proc, "gid_map", gid_map, strlen(gid_map), e) < 0)
		return -1;
	fd = openat(proc, "ns/user", O_RDONLY | O_CLOEXEC);
	return fd < 0 ? err_sys(e, errno, "open it") : fd;
}

/*
 * Its directory of /proc. A child that was killed leaves no end of file, because we hold the pipe that it
 * writes to: the pidfd tells. What does not answer in time need not die at once either, and is not collected.
 */
static int read_proc(int from_child, int pidfd, struct err *e)
{
	struct pollfd p[] = { { .fd = from_child, .events = POLLIN },
			      { .fd = pidfd, .events = POLLIN } };
	int proc, r;

	do
		r = poll(p, 2, OPEN_WAIT_MS);
	while (r < 0 && errno == EINTR);
	if (r <= 0) {
		(void)syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
		return err_set(e, ERR_TIMEOUT, "its process did not run in %d s",
			       OPEN_WAIT_MS / 1000);
	}
	if (!(p[0].revents & POLLIN) || read_full(from_child, &proc, sizeof(proc)) != sizeof(proc))
		return err_set(e, ERR_INTERNAL, "its process ended at once");
	return proc < 0 ? err_sys(e, -proc, "open /proc/self") : proc;
}

static int make(int to_child[2], int from_child[2], const char *uid_map, const char *gid_map,
		struct err *e)
{
	auto_close int pidfd = -1;
	auto_close int proc = -1;
	struct clone_args args = {
		/* No signal at its end: whoever waits for children of ours need not know of it. */
		.flags = CLONE_NEWUSER | CLONE_FILES | CLONE_PIDFD,
		.pidfd = (uint64_t)(uintptr_t)&pidfd,
	};
	pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	siginfo_t ended;
	int fd = -1;

	if (pid < 0)
		return err_sys(e, errno, "clone");
	if (pid == 0)
		run_child(from_child[1], to_child[0]);
	proc = read_proc(from_child[0], pidfd, e);
	if (proc >= 0)
		fd = write_maps(proc, uid_map, gid_map, e);
	(void)!write(to_child[1], "", 1);
	(void)waitid((idtype_t)P_PIDFD, (id_t)pidfd, &ended,
		     WEXITED | __WALL | (proc < 0 && e->code == ERR_TIMEOUT ? WNOHANG : 0));
	return fd;
}

int userns_with_maps(const char *uid_map, const char *gid_map, struct err *e)
{
	int to_child[2], from_child[2];
	int fd;

	if (pipe2(to_child, O_CLOEXEC) < 0)
		return err_sys(e, errno, "pipe");
	if (pipe2(from_child, O_CLOEXEC) < 0) {
		(void)close(to_child[0]);
		(void)close(to_child[1]);
		return err_sys(e, errno, "pipe");
	}
	fd = make(to_child, from_child, uid_map, gid_map, e);
	for (int i = 0; i < 2; i++) {
		(void)close(to_child[i]);
		(void)close(from_child[i]);
	}
	return fd < 0 ? err_wrap(e, "make a user namespace") : fd;
}
