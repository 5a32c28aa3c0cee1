/* SPDX-License-Identifier: Apache-2.0 */
/* Logging programs; see logger.h. */
#include "shim/io/logger.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/async/child.h"
#include "common/async/fiber.h"
#include "common/base/log.h"
#include "common/base/mem.h"

#define FD_STDOUT 3
#define FD_STDERR 4
#define FD_READY  5

/* containerd's shim sends SIGTERM at once; a program without a handler would lose what it has not
 * read yet, so end of file gets its chance first. */
#define END_BY_ITSELF_MS 2000
#define KILL_AFTER_MS    12000 /* of containerd's shim, binaryIOProcTermTimeout */

struct logger {
	struct child *child;
};

struct pipe_ends {
	int reader, writer;
};

static void pipe_ends_close(struct pipe_ends *p)
{
	close_slot(&p->reader);
	close_slot(&p->writer);
}

#define auto_pipe CLEANUP(pipe_ends_close)
#define PIPE_ENDS_NONE                     \
	{                                  \
		.reader = -1, .writer = -1 \
	}

static int make_pipe(struct pipe_ends *ret, struct err *e)
{
	int fd[2];

	if (pipe2(fd, O_CLOEXEC) < 0)
		return err_sys(e, errno, "make a pipe for the logging program");
	*ret = (struct pipe_ends){ .reader = fd[0], .writer = fd[1] };
	return 0;
}

static struct child *spawn(const struct uri *uri, const char *ns, const char *id, int out, int err,
			   int ready, struct err *e)
{
	auto_free char *env_id = xasprintf("CONTAINER_ID=%s", id);
	auto_free char *env_ns = xasprintf("CONTAINER_NAMESPACE=%s", ns);
	const char *const env[] = { env_id, env_ns, NULL };
	const struct child_fd fds[] = {
		{ out, FD_STDOUT },
		{ err, FD_STDERR },
		{ ready, FD_READY },
	};
	auto_strv char **argv = NULL;
	struct child_spec spec = {
		.name = "logging program", .envp = env, .fds = fds, .n_fds = ARRAY_LEN(fds)
	};

	strv_add(&argv, uri->path);
	for (size_t i = 0; uri->arguments && uri->arguments[i]; i++)
		strv_add(&argv, uri->arguments[i]);
	spec.argv = (const char *const *)argv;
	return child_spawn(&spec, e);
}

/* One byte says ready; so does, for the older scheme, closing the pipe without one. */
static int wait_ready(int *fd, bool strict, struct deadline d, struct err *e)
{
	auto_io struct io *io = io_consume(take_fd(fd), e);
	char byte;
	ssize_t n;

	if (!io)
		return -1;
	n = io_read(io, &byte, 1, d, e);
	if (n < 0)
		return err_wrap(e, "wait until it is ready");
	if (n == 0 && strict)
		return err_set(e, ERR_UNAVAILABLE, "it ended without being ready");
	return 0;
}

static int endpoint_of(int *fd, struct endpoint *ret, struct err *e)
{
	*ret = (struct endpoint){ .io = io_consume(take_fd(fd), e), .keep = -1 };
	return ret->io ? 0 : -1;
}

static int start(const struct uri *uri, const char *ns, const char *id, struct deadline d,
		 struct logger *l, struct endpoint *ret_stdout, struct endpoint *ret_stderr,
		 struct err *e)
{
	auto_pipe struct pipe_ends out = PIPE_ENDS_NONE;
	auto_pipe struct pipe_ends err = PIPE_ENDS_NONE;
	auto_pipe struct pipe_ends ready = PIPE_ENDS_NONE;

	if (make_pipe(&out, e) < 0 || make_pipe(&err, e) < 0 || make_pipe(&ready, e) < 0)
		return -1;
	l->child = spawn(uri, ns, id, out.reader, err.reader, ready.writer, e);
	if (!l->child)
		return -1;
	close_slot(&ready.writer); /* or its end of file would never come */
	ready.writer = -1;
	if (wait_ready(&ready.reader, uri->scheme == URI_BINARY_V2, d, e) < 0)
		return -1;
	if (endpoint_of(&out.writer, ret_stdout, e) < 0)
		return -1;
	if (endpoint_of(&err.writer, ret_stderr, e) < 0) {
		endpoint_close(ret_stdout);
		return -1;
	}
	return 0;
}

int logger_start(const struct uri *uri, const char *ns, const char *id, struct deadline d,
		 struct logger **ret, struct endpoint *ret_stdout, struct endpoint *ret_stderr,
		 struct err *e)
{
	struct logger *l = xnew(struct logger);

	if (start(uri, ns, id, d, l, ret_stdout, ret_stderr, e) < 0) {
		child_free(l->child);
		free(l);
		return err_wrap(e, "logging program '%s'", uri->path);
	}
	*ret = l;
	return 0;
}

static void finish(void *arg)
{
	struct logger *l = arg;
	struct deadline end = deadline_in_ms(KILL_AFTER_MS);
	struct err e = ERR_INIT;
	int code;

	if (child_wait(l->child, deadline_in_ms(END_BY_ITSELF_MS), &code, &e) < 0) {
		if (child_kill(l->child, SIGTERM, &e) < 0 ||
		    child_wait(l->child, end, &code, &e) < 0)
			log_debug("logging program: %s", e.text);
	}
	child_free(l->child); /* kills it if it is still there */
	free(l);
}

void logger_finish(struct logger *l)
{
	if (l)
		fiber_start("logging program", finish, l);
}
