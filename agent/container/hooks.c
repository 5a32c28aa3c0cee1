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

static _Noreturn void run_child(const Grpc__Hook *h, int state, int null_fd)
{
	auto_free char **argv = xcalloc(h->n_args + 2, sizeof(char *));
	auto_free char **env = xcalloc(h->n_env + 1, sizeof(char *));

	argv[0] = h->path;
	for (size_t i = 0; i < h->n_args; i++)
		argv[i] = h->args[i];
	for (size_t i = 0; i < h->n_env; i++)
		env[i] = h->env[i];
	if (dup2(state, 0) < 0 || dup2(null_fd, 1) < 0 || dup2(null_fd, 2) < 0)
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

static int wait_child(pid_t pid, int64_t timeout_s, struct err *e)
{
	auto_close int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	const int64_t end = now_ms() + timeout_s * 1000;
	bool in_time = false;
	int status;

	while (pidfd >= 0 && !in_time) {
		struct pollfd p = { .fd = pidfd, .events = POLLIN };
		int64_t left = end - now_ms();
		int r = poll(&p, 1, left > 0 ? (int)left : 0);

		if (r == 0 || (r < 0 && errno != EINTR))
			break;
		in_time = r > 0;
	}
	if (!in_time)
		(void)kill(pid, SIGKILL);
	if (waitpid(pid, &status, 0) < 0)
		return err_sys(e, errno, "wait");
	if (!in_time)
		return err_set(e, ERR_TIMEOUT, "not finished after %lld s", (long long)timeout_s);
	if (WIFSIGNALED(status))
		return err_set(e, ERR_INTERNAL, "killed by signal %d", WTERMSIG(status));
	if (WEXITSTATUS(status) != 0)
		return err_set(e, ERR_INTERNAL, "exit code %d", WEXITSTATUS(status));
	return 0;
}

static int run(const Grpc__Hook *h, const char *state, int null_fd, struct err *e)
{
	/* In memory, so that a hook that does not read it holds nobody up. */
	auto_close int text = memfd_create("state", MFD_CLOEXEC);
	int64_t timeout = h->timeout > 0 ? h->timeout : HOOK_TIMEOUT_S;
	pid_t pid;

	if (text < 0 || write_all(text, state, strlen(state)) < 0 || lseek(text, 0, SEEK_SET) < 0)
		return err_sys(e, errno, "write the state");
	if (access(h->path, X_OK) < 0)
		return err_sys(e, errno, "cannot be executed");
	pid = fork();
	if (pid < 0)
		return err_sys(e, errno, "fork");
	if (pid == 0)
		run_child(h, text, null_fd);
	return wait_child(pid, timeout < HOOK_TIMEOUT_MAX_S ? timeout : HOOK_TIMEOUT_MAX_S, e);
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
