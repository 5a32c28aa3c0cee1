/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server: one process for each sandbox, from `start` to the Shutdown that finds no task left. It
 * accepts any number of connections; losing one, or all, ends nothing.
 */
#include <assert.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "common/async/fiber.h"
#include "common/async/io.h"
#include "common/base/fd.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/net/unix.h"
#include "common/rpc/server.h"
#include "shim/bundle.h"
#include "shim/command.h"
#include "shim/events/publisher.h"
#include "shim/host_process.h"
#include "shim/sandbox_api/service.h"
#include "shim/task/service.h"
#include "shim/volumes.h"

/* After Shutdown: for the last events, and for containerd to read the answer and hang up. */
#define FLUSH_MS        10000
#define HANG_UP_MS      1000
#define ACCEPT_RETRY_MS 100
/* containerd takes up to 100 s to connect to what `start` printed (containerd-shim.md 1.8). */
#define IDLE_CHECK_MS   30000
#define IDLE_CHECKS     5
#define SERVICES_MAX    4

struct server {
	const struct shim_args *args;
	struct io *listener;
	struct publisher *publisher;
	struct task_service *tasks;
	struct sandbox_service *sandboxes;
	struct rpc_service volumes;
	const struct rpc_service *table[SERVICES_MAX];
	size_t n_table;
	unsigned n_connections;
	struct cond hung_up; /* n_connections */
	struct fiber_group accepting;
};

struct connection {
	struct server *server;
	struct io *io;
};

static void serve_connection(void *arg)
{
	struct connection *c = arg;
	struct server *s = c->server;

	rpc_serve(c->io, s->table, s->n_table);
	free(c);
	s->n_connections--;
	cond_wake_all(&s->hung_up);
}

static void accept_connections(void *arg)
{
	struct server *s = arg;

	for (;;) {
		struct err e = ERR_INIT;
		auto_close int fd = io_accept(s->listener, DEADLINE_NEVER, &e);
		struct connection *c;
		struct io *io;

		if (fd < 0 && (e.code == ERR_CANCELLED || e.code == ERR_UNAVAILABLE))
			return;
		if (fd < 0) {
			/* Out of descriptors, most likely: it passes, and the others must be served. */
			log_warn("accept: %s", e.text);
			if (fiber_sleep_ms(ACCEPT_RETRY_MS, &e) < 0)
				return;
			continue;
		}
		if (unix_check_peer(fd, &e) < 0) {
			log_warn("refused a connection: %s", e.text);
			continue;
		}
		io = io_consume(take_fd(&fd), &e);
		if (!io) {
			log_warn("accept: %s", e.text);
			continue;
		}
		publisher_retry_now(s->publisher); /* containerd is there, or there again */
		c = xnew(struct connection);
		*c = (struct connection){ .server = s, .io = io };
		s->n_connections++;
		fiber_start("connection", serve_connection, c);
	}
}

/*
 * Until Shutdown. A containerd that died between `start` and Create, or before the Shutdown that
 * follows a failed Create, sends none: with nobody connected and no task there is nothing to stay for.
 */
static void wait_for_end(struct server *s)
{
	unsigned idle = 0;

	while (idle < IDLE_CHECKS) {
		struct err e = ERR_INIT;
		bool busy;

		if (task_service_wait_shutdown(s->tasks, deadline_in_ms(IDLE_CHECK_MS), &e) == 0)
			return;
		busy = s->n_connections > 0 || task_service_busy(s->tasks);
		idle = busy ? 0 : idle + 1;
	}
	log_warn("no task and no containerd for %d s", IDLE_CHECKS * IDLE_CHECK_MS / 1000);
}

static void wait_hung_up(struct server *s)
{
	struct deadline d = deadline_in_ms(HANG_UP_MS);
	struct err e = ERR_INIT;

	while (s->n_connections > 0)
		if (cond_wait(&s->hung_up, d, &e) < 0)
			return;
}

static void make_services(struct server *s)
{
	const struct rpc_service *const *tasks;

	s->tasks = task_service_new(&(struct task_service_params){
		.ns = s->args->ns,
		.sandbox_id = s->args->id,
		.config_path = s->args->config,
		.publisher = s->publisher,
	});
	s->sandboxes = sandbox_service_new(s->tasks);
	tasks = task_service_table(s->tasks, &s->n_table);
	assert(s->n_table + 2 <= SERVICES_MAX);
	memcpy(s->table, tasks, s->n_table * sizeof(tasks[0]));
	s->table[s->n_table++] = sandbox_service_rpc(s->sandboxes);
	s->volumes = volumes_service(s->tasks);
	s->table[s->n_table++] = &s->volumes;
}

static void serve(void *arg)
{
	struct server *s = arg;
	const char *events = getenv("TTRPC_ADDRESS");
	struct err e = ERR_INIT;
	size_t lost;

	s->listener = io_consume(SERVE_LISTEN_FD, &e);
	if (!s->listener) {
		(void)!write(SERVE_READY_FD, e.text, strlen(e.text));
		exit(1);
	}
	s->publisher = publisher_new(events ? events : "", s->args->ns);
	make_services(s);
	fiber_group_start(&s->accepting, "accept", accept_connections, s);
	(void)close(SERVE_READY_FD);
	log_info("shim of sandbox %s is ready", s->args->id);

	wait_for_end(s);
	(void)unlink(s->args->socket);
	io_shutdown(s->listener);
	lost = publisher_flush(s->publisher, deadline_in_ms(FLUSH_MS));
	if (lost > 0)
		log_warn("%zu events are lost: containerd takes none", lost);
	wait_hung_up(s);
	if (s->n_connections == 0) {
		sandbox_service_free(s->sandboxes);
		task_service_free(s->tasks);
		publisher_free(s->publisher);
	}
	log_info("shim of sandbox %s ends", s->args->id);
	/* Whoever is still connected has had its time: its requests must not keep the process. */
	exit(0);
}

/* The environment is containerd's; what is meant for Go programs goes no further. */
static void clean_environment(void)
{
	(void)unsetenv("GOMAXPROCS");
}

static void ignore_signals(void)
{
	static const int ignored[] = { SIGHUP, SIGINT, SIGTERM, SIGPIPE };

	/* A stray one must not take a pod along: Kill and Shutdown are the way to end it. */
	for (size_t i = 0; i < ARRAY_LEN(ignored); i++)
		(void)signal(ignored[i], SIG_IGN);
}

static void open_log(const struct shim_args *args)
{
	auto_close int log_fd = bundle_open_log(args->bundle);

	/* Standard error, so that an assertion of ours, or of a library, is seen too. */
	if (log_fd >= 0)
		(void)dup2(log_fd, STDERR_FILENO);
	log_init(STDERR_FILENO, LOG_FORMAT_TEXT, args->debug ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
	log_set_context("sandbox", args->id);
}

static int set_up(const struct shim_args *args, struct err *e)
{
	struct err late = ERR_INIT;

	if (fd_set_cloexec(SERVE_LISTEN_FD, true, e) < 0 ||
	    fd_set_cloexec(SERVE_READY_FD, true, e) < 0)
		return -1;
	open_log(args);
	(void)prctl(PR_SET_NAME, "containerd-shim", 0, 0, 0);
	(void)umask(022);
	clean_environment();
	ignore_signals();
	if (host_process_own_mounts(e) < 0 || host_process_subreaper(e) < 0 ||
	    host_process_core_scheduling(e) < 0)
		return -1;
	if (chdir("/") < 0)
		return err_sys(e, errno, "chdir '/'");
	/* Some hosts let nobody change it; the shim is no worse for that. */
	if (host_process_oom_score(&late) < 0)
		log_warn("OOM score: %s", late.text);
	return 0;
}

/*
 * A stream that runs takes and frees pieces of 256 KiB all the time. By default each would be mapped,
 * or the heap's end be given back and taken again, and its pages be faulted in anew.
 */
static void keep_freed_memory(void)
{
	(void)mallopt(M_ARENA_MAX, 1);
	(void)mallopt(M_MMAP_THRESHOLD, 2 << 20);
	(void)mallopt(M_TRIM_THRESHOLD, 1 << 20);
}

int command_serve(const struct shim_args *args, struct err *e)
{
	struct server s = {
		.args = args,
		.hung_up = COND_INIT,
		.accepting = FIBER_GROUP_INIT,
	};

	if (set_up(args, e) < 0) {
		(void)!write(SERVE_READY_FD, e->text, strlen(e->text));
		return -1;
	}
	keep_freed_memory();
	fiber_main(serve, &s);
	return 0;
}
