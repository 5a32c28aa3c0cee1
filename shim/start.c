/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `start`: leave a server behind, or find the one of the task's pod, and print its address
 * (containerd-shim.md 1.4 to 1.10).
 *
 * containerd reads standard output and error together as the answer, until both are closed, and
 * connects at once: nothing else may be written, the server must not hold them, and the socket is
 * listening before there is a server.
 */
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "common/base/fd.h"
#include "common/base/id.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "common/base/undo.h"
#include "common/net/unix.h"
#include "shim/address.h"
#include "shim/bootstrap.h"
#include "shim/bundle.h"
#include "shim/command.h"
#include "shim/host_process.h"
#include "shim/options.h"

#define READY_TEXT_MAX 4096 /* bytes of what the server says when it cannot start */

struct start {
	const struct shim_args *args;
	char *bundle, *group, *socket;
	char *config; /* "" or the path that the runtime options name */
	struct bootstrap bootstrap;
	pid_t server; /* 0: none of ours */
};

static void start_done(struct start *s)
{
	bootstrap_done(&s->bootstrap);
	free(s->bundle);
	free(s->group);
	free(s->socket);
	free(s->config);
}

static void undo_socket(void *arg)
{
	const struct start *s = arg;

	(void)unlink(s->socket);
}

static void undo_server(void *arg)
{
	const struct start *s = arg;

	(void)kill(s->server, SIGKILL);
	(void)waitpid(s->server, NULL, 0);
}

static int read_input(struct start *s, struct err *e)
{
	auto_free char *input = NULL;
	size_t len;

	if (isatty(STDIN_FILENO))
		return 0;
	if (fd_read_all(STDIN_FILENO, BOOTSTRAP_MAX_BYTES, "standard input", &input, &len, e) < 0)
		return -1;
	bootstrap_decode((const uint8_t *)input, len, s->args->id, s->args->ns, &s->bootstrap);
	return 0;
}

/* Which pod, and so which socket. */
static int find_place(struct start *s, struct err *e)
{
	const char *dir = s->bootstrap.params ? s->bootstrap.params->socket_dir : "";

	s->bundle = getcwd(NULL, 0);
	if (!s->bundle)
		return err_sys(e, errno, "working directory");
	if (bundle_group_id(s->bundle, s->args->id, &s->group, e) < 0)
		return -1;
	if (dir[0] == '\0')
		dir = ADDRESS_DEFAULT_DIR;
	else if (!path_is_clean(dir))
		return err_set(e, ERR_INVALID, "socket directory '%.200s' is not an absolute path",
			       dir);
	s->socket = address_socket_path(dir, s->args->address, s->args->ns, s->group);
	/* Ours to reach at any length, but containerd dials it by its path. */
	if (strlen(s->socket) >= sizeof(((struct sockaddr_un *)0)->sun_path))
		return err_set(e, ERR_INVALID, "socket path '%.300s' is too long for a socket",
			       s->socket);
	return path_mkdirs(dir, 0700, e);
}

/* The listening socket; -1 with *ret_joined where the server of the pod is there already. */
static int listen_or_join(const struct start *s, bool *ret_joined, struct err *e)
{
	struct err why = ERR_INIT;
	int fd = unix_listen(s->socket, &why);

	*ret_joined = false;
	if (fd < 0 && why.code == ERR_EXISTS) {
		if (address_answers(s->socket)) {
			*ret_joined = true;
			return -1;
		}
		/* Nobody listens: left by a server that was killed. */
		if (unlink(s->socket) < 0 && errno != ENOENT)
			return err_sys(e, errno, "remove stale socket '%s'", s->socket);
		why = ERR_INIT;
		fd = unix_listen(s->socket, &why);
	}
	if (fd < 0)
		*e = why;
	return fd;
}

/* In the child: become the server. On failure errno says why, and *ret_step what. */
static void exec_server(const struct start *s, int listen_fd, int ready_fd, const char **ret_step)
{
	const char *argv[20];
	int null_fd, n = 0;

	argv[n++] = "containerd-shim-husk-v2";
	argv[n++] = "-namespace";
	argv[n++] = s->args->ns;
	argv[n++] = "-address";
	argv[n++] = s->args->address;
	argv[n++] = "-publish-binary";
	argv[n++] = s->args->publish_binary;
	argv[n++] = "-id";
	argv[n++] = s->group;
	argv[n++] = "-bundle";
	argv[n++] = s->bundle;
	argv[n++] = "-socket";
	argv[n++] = s->socket;
	argv[n++] = "-config";
	argv[n++] = s->config;
	if (s->args->debug)
		argv[n++] = "-debug";
	argv[n++] = "serve";
	argv[n] = NULL;

	*ret_step = "session";
	if (setsid() < 0)
		return;
	*ret_step = "descriptors";
	null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	/* Out of the way first: either may have the number that the other is to get. */
	listen_fd = fd_move_up(listen_fd, 10);
	ready_fd = fd_move_up(ready_fd, 10);
	if (null_fd < 0 || listen_fd < 0 || ready_fd < 0 || dup2(null_fd, STDIN_FILENO) < 0 ||
	    dup2(null_fd, STDOUT_FILENO) < 0 || dup2(null_fd, STDERR_FILENO) < 0 ||
	    dup2(listen_fd, SERVE_LISTEN_FD) < 0 || dup2(ready_fd, SERVE_READY_FD) < 0)
		return;
	/* What containerd, or a person's shell, has open beside these is none of the server's. */
	*ret_step = "close descriptors";
	if (close_range(SERVE_READY_FD + 1, UINT_MAX, CLOSE_RANGE_CLOEXEC) < 0)
		return;
	*ret_step = "exec";
	/* execv() writes to none of it, but has no const in its type. */
	(void)execv("/proc/self/exe", (char *const *)(uintptr_t)argv);
}

/* Until the server has closed its end: with nothing said it is ready. */
static int wait_ready(int fd, struct err *e)
{
	auto_free char *text = NULL;

	if (fd_read_all(fd, READY_TEXT_MAX, "what the server says", &text, NULL, e) < 0)
		return -1;
	return text[0] == '\0' ? 0 : err_set(e, ERR_INTERNAL, "server: %s", text);
}

static int launch(struct start *s, int listen_fd, struct undo *u, struct err *e)
{
	auto_close int ready_read = -1, ready_write = -1;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(e, errno, "pipe");
	ready_read = ends[0];
	ready_write = ends[1];

	s->server = fork();
	if (s->server < 0)
		return err_sys(e, errno, "fork");
	if (s->server == 0) {
		struct err why = ERR_INIT;
		const char *step = "";
		int said = ready_write;

		exec_server(s, listen_fd, ready_write, &step);
		err_sys(&why, errno, "%s", step);
		(void)!write(said, why.text, strlen(why.text));
		_exit(1);
	}
	undo_push(u, "server", undo_server, s);
	(void)close(take_fd(&ready_write));
	return wait_ready(ready_read, e);
}

static int join_cgroup(const struct start *s, struct err *e)
{
	auto_free char *cgroup = options_shim_cgroup(s->bootstrap.options);

	if (cgroup[0] == '\0')
		return 0;
	return host_process_join_cgroup(cgroup, s->server, e);
}

static int start(struct start *s, struct undo *u, struct err *e)
{
	auto_close int listen_fd = -1;
	bool joined;

	if (read_input(s, e) < 0 || find_place(s, e) < 0)
		return -1;
	s->config = options_config_path(s->bootstrap.options);
	listen_fd = listen_or_join(s, &joined, e);
	if (!joined) {
		if (listen_fd < 0)
			return -1;
		undo_push(u, "socket", undo_socket, s);
		if (launch(s, listen_fd, u, e) < 0 || join_cgroup(s, e) < 0 ||
		    bundle_write_pid(s->bundle, s->server, e) < 0)
			return -1;
	}
	return bundle_write_address(s->bundle, s->socket, e);
}

int command_start(const struct shim_args *args, struct err *e)
{
	CLEANUP(start_done) struct start s = { .args = args, .bootstrap = BOOTSTRAP_INIT };
	auto_undo struct undo u = UNDO_INIT;
	auto_free char *answer = NULL;

	log_set_level(LOG_LEVEL_ERROR); /* standard error is part of the answer */
	if (id_check("task id", args->id, e) < 0 || id_check("namespace", args->ns, e) < 0)
		return -1;
	if (start(&s, &u, e) < 0)
		return err_wrap(e, "start '%s'", args->id);

	answer = bootstrap_answer(&s.bootstrap, s.socket);
	if (write_all(STDOUT_FILENO, answer, strlen(answer)) < 0)
		return err_sys(e, errno, "write the answer");
	undo_drop(&u, undo_server, &s);
	undo_drop(&u, undo_socket, &s);
	return 0;
}
