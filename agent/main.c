/* SPDX-License-Identifier: Apache-2.0 */
/*
 * husk-agent: options, PID 1 duties where it is PID 1, then the server until the sandbox ends. The
 * server listens last: hosts take a connection for readiness (agent-protocol 1.8).
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <malloc.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/signalfd.h>

#include "agent/cmdline.h"
#include "agent/console.h"
#include "agent/container/pod_init.h"
#include "agent/container/shared_mounts.h"
#include "agent/device/watch.h"
#include "agent/init.h"
#include "agent/log_port.h"
#include "agent/modules.h"
#include "agent/process/reaper.h"
#include "agent/process/stage.h"
#include "agent/rpc/service.h"
#include "agent/sandbox.h"
#include "common/async/deadline.h"
#include "common/async/fiber.h"
#include "common/async/io.h"
#include "common/base/fd.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "common/net/transport.h"

#define KERNEL_CMDLINE_MAX (64u << 10)
#define CONNECTIONS_MAX    16u
#define ACCEPT_AGAIN_MS    100
#define FD_LIMIT           (1u << 20) /* fs.nr_open: no process can have more */

/* For the last answer to leave the guest before it powers off. */
#define LAST_ANSWER_MS 200

struct agent {
	struct agent_options options;
	bool is_init;
	int64_t began_ms;               /* of clock_now_ms(), which begins with the kernel */
	int child_signals, end_signals; /* signalfds */
	struct sandbox sandbox;
	struct agent_services services;
	struct fiber_group connections;
	unsigned n_connections;
	struct fiber_group duties;
	int exit_code;
};

struct connection {
	struct agent *agent;
	struct io *io;
};

static void serve_connection(void *arg)
{
	struct connection *c = arg;

	log_debug("connected");
	rpc_serve(c->io, c->agent->services.list, AGENT_SERVICES);
	log_debug("disconnected");
	c->agent->n_connections--;
	free(c);
}

/* Until cancelled: a connection that fails is one that a host makes again. */
static void accept_connections(struct agent *a, struct transport_listener *l)
{
	for (;;) {
		struct err e = ERR_INIT;
		struct io *io = transport_accept(l, DEADLINE_NEVER, &e);
		struct connection *c;

		if (!io && e.code == ERR_CANCELLED)
			return;
		if (!io) {
			log_warn("accept a connection: %s", e.text);
			if (fiber_sleep_ms(ACCEPT_AGAIN_MS, &e) < 0)
				return;
			continue;
		}
		if (a->n_connections >= CONNECTIONS_MAX) {
			log_warn("more than %u connections: one is closed", CONNECTIONS_MAX);
			io_free(io);
			continue;
		}
		c = xnew(struct connection);
		*c = (struct connection){ .agent = a, .io = io };
		a->n_connections++;
		fiber_group_start(&a->connections, "connection", serve_connection, c);
	}
}

static void listen_and_serve(void *arg)
{
	struct agent *a = arg;
	struct transport_listener *listener = NULL;
	struct transport_address at;
	struct err e = ERR_INIT;

	if (transport_parse(a->options.server_addr, &at, &e) == 0)
		listener = transport_listen(&at, &e);
	if (listener) {
		log_info("husk-agent " HUSK_VERSION " listens on %s, %" PRId64
			 " ms after the kernel's start, %" PRId64 " ms after its own",
			 a->options.server_addr, clock_now_ms(), clock_now_ms() - a->began_ms);
		accept_connections(a, listener);
		transport_listener_free(listener);
		return;
	}
	log_error("serve on %s: %s", a->options.server_addr, e.text);
	a->exit_code = 1;
	if (sandbox_destroy(&a->sandbox, &e) < 0)
		log_error("%s", e.text);
}

/* SIGTERM and SIGINT end the agent as DestroySandbox does. */
static void end_on_signal(void *arg)
{
	struct agent *a = arg;
	struct err e = ERR_INIT;
	struct io *io = io_consume(a->end_signals, &e);

	if (!io || io_wait_readable(io, DEADLINE_NEVER, &e) < 0) {
		io_free(io);
		return;
	}
	io_free(io);
	log_info("asked to end by a signal");
	if (sandbox_destroy(&a->sandbox, &e) < 0)
		log_debug("%s", e.text);
}

/* The scheme of the address names the transport's modules. */
static void load_modules(const char *server_addr)
{
	auto_free char *transport = xstrndup(server_addr, strcspn(server_addr, ":"));

	modules_boot(transport);
}

/* Without announcements devices are found all the same, a little later. */
static void watch_devices(struct agent *a)
{
	struct err e = ERR_INIT;

	if (device_watch_open(a->sandbox.devices, &e) < 0)
		log_warn("%s", e.text);
	else
		fiber_group_start(&a->duties, "device events", device_watch_run,
				  a->sandbox.devices);
}

static void run(void *arg)
{
	struct agent *a = arg;
	struct err e = ERR_INIT;

	if (a->is_init)
		load_modules(a->options.server_addr);
	sandbox_init(&a->sandbox, &a->options, a->is_init);
	watch_devices(a);
	if (agent_services_init(&a->services, &a->sandbox, &e) < 0) {
		log_error("%s", e.text);
		a->exit_code = 1;
		return;
	}
	fiber_group_start(&a->duties, "reaper", reaper_run,
			  (void *)(intptr_t)take_fd(&a->child_signals));
	fiber_group_start(&a->duties, "end signals", end_on_signal, a);
	if (a->options.log_port > 0)
		fiber_group_start(&a->duties, "log port", log_port_serve, &a->options);
	if (a->options.debug_console)
		fiber_group_start(&a->duties, "debug console", console_serve, &a->options);
	fiber_group_start(&a->duties, "server", listen_and_serve, a);
	while (!a->sandbox.gone)
		if (cond_wait(&a->sandbox.gone_changed, DEADLINE_NEVER, &e) < 0)
			break;
	if (fiber_sleep_ms(LAST_ANSWER_MS, &e) < 0)
		log_debug("%s", e.text);
	fiber_group_cancel(&a->duties);
	fiber_group_cancel(&a->connections);
	fiber_group_wait(&a->connections);
	fiber_group_wait(&a->duties);
	agent_services_done(&a->services);
	sandbox_done(&a->sandbox);
}

static int read_kernel_cmdline(struct agent_options *o, struct err *e)
{
	auto_free char *line = NULL;

	if (file_read(AT_FDCWD, "/proc/cmdline", KERNEL_CMDLINE_MAX, &line, NULL, e) < 0)
		return -1;
	return cmdline_parse(line, o, e);
}

/*
 * Mounts of a sandbox are nobody else's business where the agent is one process among others, and go
 * with the agent and its containers however they end. Mounts made outside still come in.
 */
static int own_mounts(struct err *e)
{
	if (unshare(CLONE_NEWNS) < 0)
		return err_sys(e, errno, "make a mount namespace");
	if (mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL) < 0)
		return err_sys(e, errno, "set the propagation of /");
	return 0;
}

/*
 * A container takes some fifteen descriptors here, and the kernel starts PID 1 with 1024. Containers
 * inherit the limit where their specification has none, as they would from containerd. As far as the
 * machine allows: a smaller number only means fewer containers.
 */
static void raise_fd_limit(bool is_init)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	if (is_init && limit.rlim_max < FD_LIMIT)
		limit.rlim_max = FD_LIMIT;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		log_warn("the limit of open files stays: %s", strerror(errno));
}

static int end_signals_prepare(struct err *e)
{
	sigset_t set;
	int fd;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return err_sys(e, errno, "block signals");
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? err_sys(e, errno, "signalfd") : fd;
}

static int prepare(struct agent *a, struct err *e)
{
	if (a->is_init ? init_mounts(e) < 0 : own_mounts(e) < 0)
		return -1;
	/* PID 1 has no /proc before that. */
	if (a->is_init &&
	    (read_kernel_cmdline(&a->options, e) < 0 || init_cgroups(!a->options.cgroup_v1, e) < 0))
		return -1;
	log_set_level(a->options.log_level);
	raise_fd_limit(a->is_init);
	a->child_signals = reaper_prepare(e);
	if (a->child_signals < 0)
		return -1;
	a->end_signals = end_signals_prepare(e);
	return a->end_signals < 0 ? -1 : 0;
}

static int serve(struct agent *a)
{
	struct err e = ERR_INIT;

	/* The worker pool's threads allocate next to nothing: no arena for each of them. */
	(void)mallopt(M_ARENA_MAX, 1);
	log_init(STDOUT_FILENO, LOG_FORMAT_JSON, a->options.log_level);
	if (prepare(a, &e) < 0) {
		log_error("start: %s", e.text);
		return 1;
	}
	fiber_main(run, a);
	return a->exit_code;
}

int main(int argc, char **argv)
{
	struct agent agent = { .is_init = getpid() == 1, .began_ms = clock_now_ms() };
	enum agent_command command = AGENT_SERVE;
	struct err e = ERR_INIT;
	int code;

	if (argc > 1 && strcmp(path_base(argv[0]), MODPROBE_PROGRAM) == 0)
		return modules_probe(argv[argc - 1]);
	if (argc == 2 && strcmp(argv[1], "stage") == 0)
		return stage_main();
	if (argc == 4 && strcmp(argv[1], SHARE_MOUNT_COMMAND) == 0)
		share_mount_main(argv[2], argv[3]);
	if (argc == 3 && strcmp(argv[1], POD_INIT_COMMAND) == 0)
		pod_init_main(argv[2]);
	agent_options_init(&agent.options);
	if (agent.is_init) {
		/*
		 * The kernel hands PID 1 what it does not know of its command line, which is not for us,
		 * and what follows "--". `-- poweroff` asks for nothing but a boot: what a sandbox is
		 * measured against (bench/).
		 */
		if (strcmp(argv[argc - 1], "poweroff") != 0)
			(void)serve(&agent);
		init_power_off();
	}
	if (read_kernel_cmdline(&agent.options, &e) < 0 ||
	    arguments_parse(argc, argv, &agent.options, &command, &e) < 0) {
		(void)fprintf(stderr, "husk-agent: %s\n%s", e.text, agent_usage);
		return 2;
	}
	switch (command) {
	case AGENT_VERSION:
		(void)printf("husk-agent %s\n", HUSK_VERSION);
		return 0;
	case AGENT_HELP:
		(void)printf("%s", agent_usage);
		return 0;
	case AGENT_SERVE:
		break;
	}
	code = serve(&agent);
	agent_options_done(&agent.options);
	return code;
}
