/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parent's side of starting a process: streams, request, `husk-agent stage`, and what it
 * reports; agent/process/stage.h has the child's side.
 */
#include "agent/process/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/process/stage.h"
#include "agent/process/terminal.h"
#include "common/async/io.h"
#include "common/base/fd.h"
#include "common/base/log.h"
#include "common/base/mem.h"

#define STAGE_ERROR_MAX      8192u /* bytes of a StageError */
#define STAGE_EXIT_WAIT_MS   5000
#define STAGE_NAMESPACES_MAX 16u

/* The child's ends of everything; closed here once the child has them. */
struct child_ends {
	int in, out, err;
	int request, status, start;
};

static void child_ends_close(struct child_ends *c)
{
	int *const all[] = { &c->in, &c->out, &c->err, &c->request, &c->status, &c->start };

	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		if (*all[i] >= 0)
			(void)close(take_fd(all[i]));
}

static int make_pipe(int *ret_read, int *ret_write, uint32_t size, struct err *e)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_sys(e, errno, "pipe");
	if (size > 0 && fcntl(fds[0], F_SETPIPE_SZ, (int)size) < 0)
		log_debug("a pipe keeps its default size: %s", strerror(errno));
	*ret_read = fds[0];
	*ret_write = fds[1];
	return 0;
}

static int make_socket_pair(int *ret_ours, int *ret_theirs, struct err *e)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return err_sys(e, errno, "socketpair");
	*ret_ours = fds[0];
	*ret_theirs = fds[1];
	return 0;
}

/* `master` is taken whatever happens. */
static int take_terminal(struct process *p, int master, const Grpc__Box *size, struct err *e)
{
	auto_close int writer = fcntl(master, F_DUPFD_CLOEXEC, 3);

	p->out = out_stream_consume(master, e);
	if (!p->out)
		return -1;
	if (writer < 0)
		return err_sys(e, errno, "duplicate the terminal");
	p->in = in_stream_consume(take_fd(&writer), true, e);
	if (!p->in)
		return -1;
	if (size && size->height > 0 && size->width > 0)
		return terminal_resize(out_stream_fd(p->out), size->height, size->width, e);
	return 0;
}

static int open_pipes(struct process *p, uint32_t size, struct child_ends *child, struct err *e)
{
	int ours;

	if (make_pipe(&child->in, &ours, 0, e) < 0)
		return -1;
	p->in = in_stream_consume(ours, false, e);
	if (!p->in)
		return -1;
	if (make_pipe(&ours, &child->out, size, e) < 0)
		return -1;
	p->out = out_stream_consume(ours, e);
	if (!p->out)
		return -1;
	if (make_pipe(&ours, &child->err, size, e) < 0)
		return -1;
	p->err = out_stream_consume(ours, e);
	return p->err ? 0 : -1;
}

/* A memory file has no limit that a writer could block on, as a pipe would. */
static int request_file(const Husk__Stage__StageRequest *request, int *ret_fd, struct err *e)
{
	size_t len = husk__stage__stage_request__get_packed_size(request);
	auto_free uint8_t *bytes = xmalloc(len + 1);
	auto_close int fd = memfd_create("stage request", MFD_CLOEXEC);

	if (fd < 0)
		return err_sys(e, errno, "memfd_create");
	(void)husk__stage__stage_request__pack(request, bytes);
	if (write_all(fd, bytes, len) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(e, errno, "write the request");
	*ret_fd = take_fd(&fd);
	return 0;
}

static int make_request(const struct process_params *params, int *ret_fd, struct err *e)
{
	Husk__Stage__StageRequest request;
	Husk__Stage__StageNamespace ns[STAGE_NAMESPACES_MAX];
	Husk__Stage__StageNamespace *ns_list[STAGE_NAMESPACES_MAX];
	int next_fd = STAGE_FD_FIRST_NS;

	if (params->n_namespaces > STAGE_NAMESPACES_MAX)
		return err_set(e, ERR_EXHAUSTED, "more than %u namespaces", STAGE_NAMESPACES_MAX);
	for (size_t i = 0; i < params->n_namespaces; i++) {
		husk__stage__stage_namespace__init(&ns[i]);
		ns[i].type = (char *)(uintptr_t)params->namespaces[i].type;
		ns[i].fd = params->namespaces[i].fd >= 0 ? next_fd++ : 0;
		ns_list[i] = &ns[i];
	}
	husk__stage__stage_request__init(&request);
	request.container_id = (char *)(uintptr_t)params->container_id;
	request.exec = params->exec;
	request.spec = params->spec;
	request.process = params->process;
	request.n_namespaces = params->n_namespaces;
	request.namespaces = ns_list;
	request.rootfs = (char *)(uintptr_t)params->rootfs;
	request.run_dir = (char *)(uintptr_t)params->run_dir;
	request.no_pivot = params->no_pivot;
	request.cgroup = (char *)(uintptr_t)params->cgroup_path;
	request.terminal = params->process->terminal;
	return request_file(&request, ret_fd, e);
}

/* In the child: system calls only. */
static int join_cgroups(void *arg, const char **ret_step)
{
	char *const *files = arg;

	*ret_step = "join the cgroups";
	for (; *files; files++) {
		int fd = open(*files, O_WRONLY | O_CLOEXEC);
		bool done = fd >= 0 && write(fd, "0", 1) == 1;

		if (!done)
			return -1;
		(void)close(fd);
	}
	return 0;
}

static struct child *spawn_stage(const struct process_params *params, const struct child_ends *ends,
				 struct err *e)
{
	static const char *const argv[] = { "/proc/self/exe", "stage", NULL };
	struct child_fd fds[6 + STAGE_NAMESPACES_MAX] = {
		{ .from = ends->request, .to = STAGE_FD_REQUEST },
		{ .from = ends->status, .to = STAGE_FD_STATUS },
		{ .from = ends->start, .to = STAGE_FD_START },
		/* Last: not handed over with a terminal, which the stage makes itself. */
		{ .from = ends->in, .to = 0 },
		{ .from = ends->out, .to = 1 },
		{ .from = ends->err, .to = 2 },
	};
	struct child_spec spec = {
		.name = params->exec ? "exec process" : "container process",
		.argv = argv,
		.fds = fds,
		.n_fds = params->process->terminal ? 3 : 6,
		.die_with_parent = true,
		.clone_flags = params->pidns_fd ? 0 : CLONE_NEWPID,
		.pidns_fd = params->pidns_fd,
		.cgroup_fd = params->cgroup_fd,
		.before_exec = params->cgroup_files ? join_cgroups : NULL,
		.arg = (void *)(uintptr_t)params->cgroup_files,
	};
	int next_fd = STAGE_FD_FIRST_NS;

	for (size_t i = 0; i < params->n_namespaces; i++)
		if (params->namespaces[i].fd >= 0)
			fds[spec.n_fds++] = (struct child_fd){ .from = params->namespaces[i].fd,
							       .to = next_fd++ };
	return child_spawn(&spec, e);
}

/* Behind STAGE_FAILED: what and why. */
static int stage_failure(struct process *p, struct deadline d, struct err *e)
{
	auto_free uint8_t *bytes = xmalloc(STAGE_ERROR_MAX);
	Husk__Stage__StageError *why;
	size_t len = 0;

	while (len < STAGE_ERROR_MAX) {
		ssize_t n = io_read(p->status, bytes + len, STAGE_ERROR_MAX - len, d, e);

		if (n < 0)
			return -1;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	why = husk__stage__stage_error__unpack(NULL, len, bytes);
	if (!why)
		return err_set(e, ERR_INTERNAL, "the stage failed and could not say why");
	err_set(e, why->invalid ? ERR_INVALID : ERR_INTERNAL, "%s", why->text);
	e->sys = why->sys;
	husk__stage__stage_error__free_unpacked(why, NULL);
	return -1;
}

/* As io_read() of one byte; *ret_fd: the descriptor that came with it, -1: none. */
static ssize_t read_mark(struct io *io, char *ret, int *ret_fd, struct deadline d, struct err *e)
{
	struct iovec iov = { .iov_base = ret, .iov_len = 1 };
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	const struct cmsghdr *c;
	ssize_t n;

	*ret_fd = -1;
	do {
		if (io_wait_readable(io, d, e) < 0)
			return -1;
		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control.space);
		n = recvmsg(io_fd(io), &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	} while (n < 0 && (errno == EAGAIN || errno == EINTR));
	if (n < 0)
		return err_sys(e, errno, "recvmsg");
	c = CMSG_FIRSTHDR(&msg);
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
		memcpy(ret_fd, CMSG_DATA(c), sizeof(*ret_fd));
	return n;
}

/* Behind STAGE_WARNING. An exec's are those of its container again, and a probe runs every few seconds. */
static int log_warning(struct process *p, bool exec, struct deadline d, struct err *e)
{
	uint8_t size[2];
	char text[STAGE_WARNING_MAX + 1];
	size_t len;

	if (io_read_exactly(p->status, size, sizeof(size), d, e) < 0)
		return -1;
	len = size[0] | (size_t)size[1] << 8;
	if (len > STAGE_WARNING_MAX)
		return err_set(e, ERR_INTERNAL, "the stage warns with %zu bytes", len);
	if (io_read_exactly(p->status, text, len, d, e) < 0)
		return -1;
	text[len] = '\0';
	if (exec)
		log_debug("container %s: %s", p->container_id, text);
	else
		log_warn("container %s: %s", p->container_id, text);
	return 0;
}

static int run_prestart(struct process *p, const struct process_params *params, struct deadline d,
			struct err *e)
{
	const char go = 1;

	if (params->prestart && params->prestart(params->arg, child_pid(p->child), d, e) < 0)
		return -1;
	if (write_all(p->start_fd, &go, 1) < 0)
		return err_set(e, ERR_STATE, "it ended during the prestart hooks");
	return 0;
}

static int wait_ready(struct process *p, const struct process_params *params, struct deadline d,
		      struct err *e)
{
	int code;

	for (;;) {
		char byte;
		int fd;
		ssize_t n = read_mark(p->status, &byte, &fd, d, e);

		if (n < 0)
			return err_wrap(e, "wait for the process to be ready");
		if (n == 0)
			break;
		if (byte == STAGE_READY)
			return 0;
		if (byte == STAGE_FAILED)
			return stage_failure(p, d, e);
		if (byte == STAGE_TERMINAL && fd >= 0 && !p->out) {
			if (take_terminal(p, fd, params->process->consolesize, e) < 0)
				return -1;
		} else if (byte == STAGE_PRESTART) {
			if (run_prestart(p, params, d, e) < 0)
				return -1;
		} else if (byte == STAGE_WARNING) {
			if (log_warning(p, params->exec, d, e) < 0)
				return -1;
		} else {
			return err_set(e, ERR_INTERNAL, "the stage said '%c'", byte);
		}
	}
	if (child_wait(p->child, deadline_in_ms(STAGE_EXIT_WAIT_MS), &code, e) < 0)
		return -1;
	return err_set(e, ERR_INTERNAL, "the stage ended with code %d before it was ready", code);
}

int stage_wait_exec(struct process *p, struct deadline d, struct err *e)
{
	char byte;
	ssize_t n = io_read(p->status, &byte, 1, d, e);

	if (n < 0)
		return err_wrap(e, "wait for the exec");
	return n == 0 ? 0 : stage_failure(p, d, e);
}

static int launch(struct process *p, const struct process_params *params, struct child_ends *ends,
		  struct deadline d, struct err *e)
{
	int ours;

	if (!params->process->terminal && open_pipes(p, params->pipe_size, ends, e) < 0)
		return -1;
	if (make_request(params, &ends->request, e) < 0)
		return -1;
	if (make_pipe(&ends->start, &p->start_fd, 0, e) < 0)
		return -1;
	if (make_socket_pair(&ours, &ends->status, e) < 0)
		return -1;
	p->status = io_consume(ours, e);
	if (!p->status)
		return -1;
	p->child = spawn_stage(params, ends, e);
	child_ends_close(ends);
	if (!p->child)
		return -1;
	return wait_ready(p, params, d, e);
}

struct process *process_create(const struct process_params *params, struct deadline d,
			       struct err *e)
{
	struct child_ends ends = { -1, -1, -1, -1, -1, -1 };
	auto_process struct process *p = xnew(struct process);
	int r;

	p->refs = 1;
	p->start_fd = -1;
	p->terminal = params->process->terminal;
	p->on_exit = params->on_exit;
	p->on_done = params->on_done;
	p->arg = params->arg;
	(void)snprintf(p->container_id, sizeof(p->container_id), "%s", params->container_id);
	(void)snprintf(p->exec_id, sizeof(p->exec_id), "%s", params->exec_id);

	r = launch(p, params, &ends, d, e);
	child_ends_close(&ends);
	if (r < 0)
		return NULL;
	process_watch(p);
	return take_ptr(p);
}
