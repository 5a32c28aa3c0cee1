/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Child processes with a pidfd and one owner; see child.h.
 *
 * Between clone and exec the child shares nothing with us but memory copied at that moment, in which
 * another thread may have held the allocator's lock: it makes system calls only. It reports a failed
 * step over a pipe that closes by itself when the exec succeeds. The step's name travels as a
 * pointer: both sides are the same image at the same address.
 */
#include "common/async/child.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "common/async/loop.h"
#include "common/base/fd.h"
#include "common/base/log.h"
#include "common/base/mem.h"

#define FREE_WAIT_MS 10000
#define EXEC_WAIT_MS \
	20000 /* all fibers wait; longer takes only what is frozen, not a machine that stalls */
#define HIGH_FD        256 /* above every number a spec names: descriptors wait there for dup2() */
#define EXIT_NOT_EXECD 127

struct child {
	char *name;
	pid_t pid;
	int pidfd;
	uv_poll_t *poll;
	bool exited, abandoned;
	int code;
	struct cond exit;
	struct child *prev, *next;
};

static struct child *children;

struct failure {
	const char *step;
	int sys;
};

static _Noreturn void fail(int status_fd, const char *step)
{
	struct failure f = { .step = step, .sys = errno };

	(void)!write(status_fd, &f, sizeof(f));
	_exit(EXIT_NOT_EXECD);
}

static void place_fds(const struct child_spec *spec, int status_fd, int *high)
{
	int null_fd;

	/* First up and out of the way, so that no target number overwrites a source still needed. */
	for (size_t i = 0; i < spec->n_fds; i++) {
		high[i] = fcntl(spec->fds[i].from, F_DUPFD_CLOEXEC, HIGH_FD);
		if (high[i] < 0)
			fail(status_fd, "duplicate descriptors");
	}
	if (close_range(0, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
		fail(status_fd, "close descriptors");
	null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null_fd < 0)
		fail(status_fd, "open /dev/null");
	null_fd = fcntl(null_fd, F_DUPFD_CLOEXEC, HIGH_FD);
	for (int fd = 0; fd <= 2; fd++)
		if (null_fd < 0 || dup2(null_fd, fd) < 0)
			fail(status_fd, "set up standard streams");
	for (size_t i = 0; i < spec->n_fds; i++)
		if (dup2(high[i], spec->fds[i].to) < 0)
			fail(status_fd, "place descriptors");
}

static _Noreturn void run_child(const struct child_spec *spec, int status_fd, pid_t parent,
				int *high)
{
	const char *step = "prepare";
	sigset_t none;

	/*
	 * Ignored signals survive an exec: SIGPIPE, which we ignore, and SIGINT, which a shell ignores
	 * for what it runs in the background. No program expects that.
	 */
	for (int sig = 1; sig < NSIG; sig++)
		(void)signal(sig, SIG_DFL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	place_fds(spec, status_fd, high);
	if (spec->new_session && setsid() < 0)
		fail(status_fd, "setsid");
	if (spec->die_with_parent) {
		if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
			fail(status_fd, "PR_SET_PDEATHSIG");
		/* It may have died before the call above; in another pid namespace it has no number. */
		if (!(spec->clone_flags & CLONE_NEWPID) && !spec->pidns_fd && getppid() != parent)
			_exit(EXIT_NOT_EXECD);
	}
	if (spec->cwd && chdir(spec->cwd) < 0)
		fail(status_fd, "chdir");
	if (spec->before_exec && spec->before_exec(spec->arg, &step) < 0)
		fail(status_fd, step);
	(void)execve(spec->path ? spec->path : spec->argv[0], (char *const *)(uintptr_t)spec->argv,
		     spec->envp ? (char *const *)(uintptr_t)spec->envp : environ);
	fail(status_fd, "exec");
}

/* fork() with flags, a pidfd and a cgroup. Returns as fork() does. */
static pid_t clone_child(const struct child_spec *spec, int *ret_pidfd)
{
	struct clone_args args = {
		.flags = spec->clone_flags | CLONE_PIDFD,
		.pidfd = (uint64_t)(uintptr_t)ret_pidfd,
		.exit_signal = SIGCHLD,
	};

	if (spec->cgroup_fd) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)*spec->cgroup_fd;
	}
	return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

static pid_t spawn(const struct child_spec *spec, int status_fd, int *ret_pidfd, struct err *e)
{
	auto_free int *high = xcalloc(spec->n_fds + 1, sizeof(int));
	auto_close int own_pidns = -1;
	pid_t parent = getpid();
	pid_t pid;

	if (spec->pidns_fd) {
		own_pidns = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
		if (own_pidns < 0)
			return err_sys(e, errno, "start %s: open our pid namespace", spec->name);
		if (setns(*spec->pidns_fd, CLONE_NEWPID) < 0)
			return err_sys(e, errno, "start %s: join the pid namespace", spec->name);
	}
	pid = clone_child(spec, ret_pidfd);
	if (pid == 0)
		run_child(spec, status_fd, parent, high);
	if (pid < 0)
		/* pid_namespaces(7): the error of a namespace whose first process has ended. */
		err_sys(e, errno, "start %s: clone%s", spec->name,
			errno == ENOMEM && spec->pidns_fd ? " into a pid namespace that has ended"
							  : "");
	if (spec->pidns_fd && setns(own_pidns, CLONE_NEWPID) < 0) {
		log_error("cannot return to our own pid namespace: %s", strerror(errno));
		abort(); /* every later child would land in the wrong one */
	}
	return pid;
}

static int exit_code_of(const siginfo_t *si)
{
	return si->si_code == CLD_EXITED ? si->si_status : 128 + si->si_status;
}

static void on_poll_closed(uv_handle_t *handle)
{
	free(handle);
}

static void child_release(struct child *c)
{
	if (c->prev)
		c->prev->next = c->next;
	else
		children = c->next;
	if (c->next)
		c->next->prev = c->prev;
	if (c->poll)
		uv_close((uv_handle_t *)c->poll, on_poll_closed);
	(void)close(c->pidfd);
	free(c->name);
	free(c);
}

/* The pidfd is readable: this child, and no other, has exited. */
static void on_exit_event(uv_poll_t *poll, int status, int events)
{
	struct child *c = poll->data;
	siginfo_t si = { 0 };

	(void)status;
	(void)events;
	if (waitid((idtype_t)P_PIDFD, (id_t)c->pidfd, &si, WEXITED | WNOHANG) < 0)
		c->code =
			255; /* somebody took it from us: a bug, but waiting on would be for ever */
	else if (si.si_pid == 0)
		return;
	else
		c->code = exit_code_of(&si);
	c->exited = true;
	(void)uv_poll_stop(poll);
	cond_wake_all(&c->exit);
	if (c->abandoned)
		child_release(c);
}

static struct child *child_new(const char *name, pid_t pid, int pidfd)
{
	struct child *c = xnew(struct child);

	c->name = xstrdup(name);
	c->pid = pid;
	c->pidfd = pidfd;
	c->poll = xnew(uv_poll_t);
	(void)uv_poll_init(loop_get(), c->poll, pidfd);
	c->poll->data = c;
	(void)uv_poll_start(c->poll, UV_READABLE, on_exit_event);
	c->next = children;
	if (children)
		children->prev = c;
	children = c;
	return c;
}

/* What is frozen by cgroup v1 does not even die: it is collected when it has. */
static int give_up(const struct child_spec *spec, pid_t pid, int pidfd, struct err *e)
{
	struct child *c = child_new(spec->name, pid, pidfd);
	struct err ignored = ERR_INIT;

	c->abandoned = true;
	(void)!child_kill(c, SIGKILL, &ignored);
	return err_set(e, ERR_TIMEOUT, "start %s (%s): not executed in %d s", spec->name,
		       spec->path ? spec->path : spec->argv[0], EXEC_WAIT_MS / 1000);
}

/* Until the exec closes `status`. After a failure the child and its pidfd are gone, or see to themselves. */
static int wait_exec(const struct child_spec *spec, int status, pid_t pid, int pidfd, struct err *e)
{
	struct deadline limit = deadline_in_ms(EXEC_WAIT_MS);
	struct pollfd p = { .fd = status, .events = POLLIN };
	struct failure failure = { 0 };
	siginfo_t si;
	ssize_t n;

	while (poll(&p, 1, (int)deadline_left_ms(limit)) <= 0)
		if (deadline_passed(limit))
			return give_up(spec, pid, pidfd, e);
	n = read_full(status, &failure, sizeof(failure));
	if (n == 0)
		return 0;
	(void)waitid((idtype_t)P_PIDFD, (id_t)pidfd, &si, WEXITED);
	(void)close(pidfd);
	if (n == (ssize_t)sizeof(failure))
		return err_sys(e, failure.sys, "start %s (%s): %s", spec->name,
			       spec->path ? spec->path : spec->argv[0], failure.step);
	return err_set(e, ERR_INTERNAL, "start %s: the child died before its exec", spec->name);
}

struct child *child_spawn(const struct child_spec *spec, struct err *e)
{
	auto_close int ours = -1;
	auto_close int theirs = -1;
	int status[2], high;
	int pidfd = -1;
	pid_t pid;

	if (pipe2(status, O_CLOEXEC) < 0) {
		err_sys(e, errno, "start %s: pipe", spec->name);
		return NULL;
	}
	ours = status[0];
	theirs = status[1];
	high = fd_move_up(theirs, HIGH_FD);
	if (high < 0) {
		err_sys(e, errno, "start %s: duplicate a descriptor", spec->name);
		return NULL;
	}
	theirs = high;
	pid = spawn(spec, theirs, &pidfd, e);
	(void)close(take_fd(&theirs));
	if (pid < 0 || wait_exec(spec, ours, pid, pidfd, e) < 0)
		return NULL;
	return child_new(spec->name, pid, pidfd);
}

pid_t child_pid(const struct child *c)
{
	return c->pid;
}

bool child_exited(const struct child *c)
{
	return c->exited;
}

int child_wait(struct child *c, struct deadline d, int *ret_code, struct err *e)
{
	while (!c->exited)
		if (cond_wait(&c->exit, d, e) < 0)
			return err_wrap(e, "wait for %s", c->name);
	*ret_code = c->code;
	return 0;
}

int child_kill(struct child *c, int sig, struct err *e)
{
	if (c->exited)
		return 0;
	if (syscall(SYS_pidfd_send_signal, c->pidfd, sig, NULL, 0) < 0 && errno != ESRCH)
		return err_sys(e, errno, "send signal %d to %s", sig, c->name);
	return 0;
}

void child_free(struct child *c)
{
	struct deadline limit = deadline_in_ms(FREE_WAIT_MS);
	struct err ignored = ERR_INIT;

	if (!c)
		return;
	(void)!child_kill(c, SIGKILL, &ignored);
	while (!c->exited && fiber_running())
		if (!cond_wait_uncancellable(&c->exit, limit))
			break;
	if (!c->exited) {
		log_warn("%s (pid %d) does not end after SIGKILL; it is collected when it does",
			 c->name, (int)c->pid);
		c->abandoned = true;
		return;
	}
	child_release(c);
}

bool child_owned(pid_t pid)
{
	for (const struct child *c = children; c; c = c->next)
		if (c->pid == pid && !c->exited)
			return true;
	return false;
}
