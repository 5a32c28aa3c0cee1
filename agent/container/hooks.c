/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hooks that run in the container's namespaces: createContainer before the root is entered (paths
 * are the guest's), startContainer after (paths are the container's). Prestart hooks are the agent's to
 * run, at the same moment as createContainer's: it is asked and waited for.
 */
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "agent/container/hook_message.h"
#include "agent/process/stage.h"
#include "agent/process/stage_step.h"
#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/num.h"

#define EXIT_NOT_EXECD 127
#define SAID_MAX       1024 /* bytes of a failed hook's, in the error; as in common/async/command.c */

/* Read while /proc is the guest's: a hook is told the pid that the guest knows. */
int hooks_read_state(struct stage *s, struct err *e)
{
	char pid[32] = "";
	uint64_t number;
	ssize_t n = readlink("/proc/self", pid, sizeof(pid) - 1);

	if (n < 0)
		return err_sys(e, errno, "read /proc/self");
	pid[n] = '\0';
	if (!num_u64(pid, 10, &number))
		return err_set(e, ERR_INTERNAL, "/proc/self is '%s'", pid);
	s->guest_pid = number;
	return 0;
}

static char *state_text(const struct stage *s, const char *status)
{
	const char *slash = strrchr(s->req->rootfs, '/');
	auto_free char *bundle =
		xstrndup(s->req->rootfs, slash ? (size_t)(slash - s->req->rootfs) : 0);

	return hook_message_state(s->spec, s->req->container_id, bundle, status,
				  (pid_t)s->guest_pid);
}

static _Noreturn void run_child(const Grpc__Hook *h, int state, int null_fd, int err_fd)
{
	auto_free char **argv = xcalloc(h->n_args + 2, sizeof(char *));
	auto_free char **env = xcalloc(h->n_env + 1, sizeof(char *));

	argv[0] = h->path;
	for (size_t i = 0; i < h->n_args; i++)
		argv[i] = h->args[i];
	for (size_t i = 0; i < h->n_env; i++)
		env[i] = h->env[i];
	if (dup2(state, 0) < 0 || dup2(null_fd, 1) < 0 || dup2(err_fd, 2) < 0)
		_exit(EXIT_NOT_EXECD);
	(void)execve(h->path, argv, env);
	_exit(EXIT_NOT_EXECD);
}

static int64_t now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* What a hook says on its standard error. What is beyond the limit is read too, so that the hook goes on. */
struct said {
	int fd; /* a pipe's end that does not block */
	char text[SAID_MAX + 1];
	size_t len;
};

/* One read. False: there is nothing more, for now. */
static bool take_said(struct said *s)
{
	char beyond[4096];
	bool full = s->len == SAID_MAX;
	ssize_t n = read(s->fd, full ? beyond : s->text + s->len,
			 full ? sizeof(beyond) : SAID_MAX - s->len);

	if (n > 0 && !full)
		s->len += (size_t)n;
	return n > 0;
}

static void finish_said(struct said *s)
{
	/* No further than to the limit: what the hook left running may have the pipe, and write for ever. */
	while (s->len < SAID_MAX && take_said(s))
		;
	s->text[s->len] = '\0';
	for (s->len = strlen(s->text); s->len > 0 && s->text[s->len - 1] == '\n';)
		s->text[--s->len] = '\0';
}

/* Whether it ended in time. */
static bool ended(int pidfd, struct said *said, int64_t timeout_s)
{
	const int64_t end = now_ms() + timeout_s * 1000;
	struct pollfd p[] = { { .fd = pidfd, .events = POLLIN },
			      { .fd = said->fd, .events = POLLIN } };

	for (;;) {
		int64_t left = end - now_ms();
		int r = poll(p, 2, left > 0 ? (int)left : 0);

		if (r > 0 && p[0].revents)
			return true;
		if (left <= 0 || (r < 0 && errno != EINTR))
			return false;
		if (r > 0 && !take_said(said))
			p[1].fd = -1; /* it was closed */
	}
}

static int wait_child(pid_t pid, struct said *said, int64_t timeout_s, struct err *e)
{
	auto_close int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	bool in_time = pidfd >= 0 && ended(pidfd, said, timeout_s);
	int status;

	if (!in_time)
		(void)kill(pid, SIGKILL);
	if (waitpid(pid, &status, 0) < 0)
		return err_sys(e, errno, "wait");
	finish_said(said);
	if (in_time && WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (!in_time)
		err_set(e, ERR_TIMEOUT, "not finished after %lld s", (long long)timeout_s);
	else if (WIFSIGNALED(status))
		err_set(e, ERR_INTERNAL, "killed by signal %d", WTERMSIG(status));
	else
		err_set(e, ERR_INTERNAL, "exit code %d", WEXITSTATUS(status));
	return said->len > 0 ? err_append(e, "%s", said->text) : -1;
}

static int run(const Grpc__Hook *h, const char *state, int null_fd, struct err *e)
{
	/* In memory, so that a hook that does not read it holds nobody up. */
	auto_close int text = memfd_create("state", MFD_CLOEXEC);
	int64_t timeout = h->timeout > 0 ? h->timeout : HOOK_TIMEOUT_S;
	auto_close int ours = -1;
	auto_close int theirs = -1;
	struct said said;
	int ends[2];
	pid_t pid;

	if (text < 0 || write_all(text, state, strlen(state)) < 0 || lseek(text, 0, SEEK_SET) < 0)
		return err_sys(e, errno, "write the state");
	if (access(h->path, X_OK) < 0)
		return err_sys(e, errno, "cannot be executed");
	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(e, errno, "pipe");
	ours = ends[0];
	theirs = ends[1];
	if (fd_set_nonblock(ours, true, e) < 0)
		return -1;
	pid = fork();
	if (pid < 0)
		return err_sys(e, errno, "fork");
	if (pid == 0)
		run_child(h, text, null_fd, theirs);
	(void)close(take_fd(&theirs));
	said = (struct said){ .fd = ours };
	return wait_child(pid, &said, timeout < HOOK_TIMEOUT_MAX_S ? timeout : HOOK_TIMEOUT_MAX_S,
			  e);
}

static int run_all(const struct stage *s, Grpc__Hook *const *hook, size_t n, const char *status,
		   struct err *e)
{
	auto_free char *state = NULL;
	auto_close int null_fd = -1;

	if (n == 0)
		return 0;
	state = state_text(s, status);
	null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null_fd < 0)
		return err_sys(e, errno, "open /dev/null");
	for (size_t i = 0; i < n; i++)
		if (run(hook[i], state, null_fd, e) < 0)
			return err_wrap(e, "%s", hook[i]->path);
	return 0;
}

int hooks_wait_prestart(struct stage *s, struct err *e)
{
	const char mark = STAGE_PRESTART;
	char byte;

	if (!s->spec->hooks || s->spec->hooks->n_prestart == 0)
		return 0;
	if (write_all(STAGE_FD_STATUS, &mark, 1) < 0)
		return err_sys(e, errno, "tell the agent");
	/* End of file: one has failed, and the agent says so itself. */
	if (read_full(STAGE_FD_START, &byte, 1) != 1)
		_exit(1);
	return 0;
}

int hooks_create_container(struct stage *s, struct err *e)
{
	const Grpc__Hooks *h = s->spec->hooks;

	return h ? run_all(s, h->createcontainer, h->n_createcontainer, "creating", e) : 0;
}

int hooks_start_container(struct stage *s, struct err *e)
{
	const Grpc__Hooks *h = s->spec->hooks;

	return h ? run_all(s, h->startcontainer, h->n_startcontainer, "created", e) : 0;
}
