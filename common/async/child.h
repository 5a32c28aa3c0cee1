/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_ASYNC_CHILD_H
#define HUSK_ASYNC_CHILD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/async/deadline.h"
#include "common/base/cleanup.h"
#include "common/base/err.h"

/*
 * Child processes. Each has a pidfd and one owner: nobody calls waitpid(-1), so two parts of the
 * program can have children without knowing of each other, and a pid is never signalled after it
 * was reaped.
 */
struct child;

struct child_fd {
	int from; /* ours, borrowed */
	int to;   /* the number in the child; must be unique; 0 to 2 default to /dev/null */
};

struct child_spec {
	const char *name; /* for errors and the log: "qemu" */
	const char *path; /* what is executed, no PATH search; NULL: argv[0] */
	const char *const *argv;
	const char *const *envp;    /* NULL: ours */
	const char *cwd;            /* NULL: ours */
	const struct child_fd *fds; /* everything else is closed in the child */
	size_t n_fds;
	bool new_session;     /* setsid() */
	bool die_with_parent; /* PR_SET_PDEATHSIG SIGKILL, checked for the race */
	uint64_t clone_flags; /* CLONE_NEW* for clone3(); 0: none */
	const int *cgroup_fd; /* clone into this cgroup v2 directory; NULL: ours */
	const int *pidns_fd;  /* be a member of this pid namespace; NULL: ours */

	/*
	 * Runs in the child just before exec, with the descriptors in place. Another thread of the
	 * parent may have held the allocator's lock at the clone: only async-signal-safe calls.
	 * On failure set *ret_step to a literal and return -1 with errno.
	 */
	int (*before_exec)(void *arg, const char **ret_step);
	void *arg;
};

/*
 * The child has every signal at its default and none blocked. Returns when the exec has succeeded; a
 * failed one (or a failed step before it) is reported here and leaves nothing behind. Blocks for the
 * time of a clone and exec only; after ten seconds it is killed, and the error ERR_TIMEOUT.
 */
struct child *child_spawn(const struct child_spec *spec, struct err *e) must_check;

pid_t child_pid(const struct child *c); /* stays the same after the exit */
bool child_exited(const struct child *c);

/*
 * Until it has exited. *ret_code: its exit code, or 128 + the signal that ended it (this is the one
 * place where that sum is made). Any number of fibers may wait, also after the exit.
 */
int child_wait(struct child *c, struct deadline d, int *ret_code, struct err *e) must_check;

/* Success also when it has exited already; signal 0 asks only. -1 with errno in *e otherwise. */
int child_kill(struct child *c, int sig, struct err *e) must_check;

/* Kills (SIGKILL) and reaps it if it still runs; the pid is gone when this returns. NULL is fine. */
void child_free(struct child *c);

/*
 * Is this pid a child that somebody here owns and that was not collected yet? Its number may be another
 * process's afterwards. For PID 1, which collects the others.
 */
bool child_owned(pid_t pid);

#endif
