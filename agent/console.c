/* SPDX-License-Identifier: Apache-2.0 */
/* The debug console; see console.h. */
#include "agent/console.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "agent/cmdline.h"
#include "agent/modules.h"
#include "agent/process/terminal.h"
#include "common/async/child.h"
#include "common/async/fiber.h"
#include "common/async/io.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/net/serial.h"
#include "common/net/transport.h"

#define CHUNK           4096
#define LOOK_MS         300 /* for somebody at the serial port, which has no event for it */
#define PORT_WAIT_MS    10000
#define WRITE_MS        30000
#define SHELL_END_MS    5000
#define ACCEPT_AGAIN_MS 1000

struct console {
	struct io *peer, *terminal;
	struct child *shell;
};

static const char *find_shell(void)
{
	static const char *const shells[] = { "/bin/bash", "/bin/sh" };

	for (size_t i = 0; i < ARRAY_LEN(shells); i++)
		if (access(shells[i], X_OK) == 0)
			return shells[i];
	return NULL;
}

static int take_terminal(void *arg, const char **ret_step)
{
	(void)arg;
	*ret_step = "TIOCSCTTY";
	return ioctl(STDIN_FILENO, TIOCSCTTY, 0);
}

static struct child *start_shell(const char *shell, int slave, struct err *e)
{
	static const char *const env[] = { "HOME=/", "PATH=/bin:/sbin:/usr/bin:/usr/sbin",
					   "PS1=guest# ", "TERM=linux", NULL };
	const char *const argv[] = { shell, "-i", NULL };
	const struct child_fd fds[] = { { slave, 0 }, { slave, 1 }, { slave, 2 } };
	const struct child_spec spec = {
		.name = "debug shell",
		.argv = argv,
		.envp = env,
		.cwd = "/",
		.fds = fds,
		.n_fds = ARRAY_LEN(fds),
		.new_session = true,
		.die_with_parent = true,
		.before_exec = take_terminal,
	};

	return child_spawn(&spec, e);
}

/* Until either end is gone. */
static void pass(struct io *from, struct io *to)
{
	auto_free char *bytes = xmalloc(CHUNK);
	struct err ended = ERR_INIT;

	for (;;) {
		ssize_t n = io_read(from, bytes, CHUNK, DEADLINE_NEVER, &ended);

		if (n <= 0 || io_write(to, bytes, (size_t)n, deadline_in_ms(WRITE_MS), &ended) < 0)
			return;
	}
}

static void pass_input(void *arg)
{
	const struct console *c = arg;
	struct err e = ERR_INIT;

	pass(c->peer, c->terminal);
	/* Nobody is there any more, or the shell has ended, which then does no harm. */
	if (child_kill(c->shell, SIGHUP, &e) < 0 || child_kill(c->shell, SIGKILL, &e) < 0)
		log_debug("debug shell: %s", e.text);
}

static int open_console(struct console *c, const char *shell, struct err *e)
{
	auto_close int slave = -1;
	int master;

	if (terminal_open(&master, &slave, e) < 0)
		return -1;
	c->terminal = io_consume(master, e);
	if (!c->terminal)
		return -1;
	c->shell = start_shell(shell, slave, e);
	return c->shell ? 0 : -1;
}

static void tell(struct io *peer, const char *text)
{
	auto_free char *line = xasprintf("husk-agent: %s\r\n", text);
	struct err ignored = ERR_INIT;

	(void)!io_write(peer, line, strlen(line), deadline_in_ms(WRITE_MS), &ignored);
}

/* False: there is no shell, and that was said. */
static bool run_shell(struct io *peer)
{
	struct console c = { .peer = peer };
	struct fiber_group input = FIBER_GROUP_INIT;
	const char *shell = find_shell();
	struct err e = ERR_INIT;
	int code;

	if (!shell)
		err_set(&e, ERR_NOT_FOUND,
			"this guest image has no shell: make one with `make guest GUEST_SHELL=FILE`");
	if (!shell || open_console(&c, shell, &e) < 0) {
		tell(peer, e.text);
		io_free(c.terminal);
		return false;
	}
	fiber_group_start(&input, "debug console input", pass_input, &c);
	pass(c.terminal, peer);
	fiber_group_cancel(&input);
	fiber_group_wait(&input);
	if (child_wait(c.shell, deadline_in_ms(SHELL_END_MS), &code, &e) < 0)
		log_warn("debug shell: %s", e.text);
	child_free(c.shell);
	io_free(c.terminal);
	return true;
}

/* Is a host connected to the port? The driver (virtio_console) says hung up while there is none. */
static bool host_is_there(const struct io *port)
{
	struct pollfd p = { .fd = io_fd(port), .events = POLLIN };

	return poll(&p, 1, 0) >= 0 && !(p.revents & POLLHUP);
}

static struct io *open_port(struct err *e)
{
	struct deadline d = deadline_in_ms(PORT_WAIT_MS);
	auto_free char *path = NULL;
	int fd;

	while (serial_find_port(CONSOLE_SERIAL_NAME, SERIAL_SYSFS_DIR, SERIAL_DEV_DIR, &path, e) <
	       0) {
		if (deadline_passed(d))
			return NULL;
		*e = ERR_INIT;
		if (fiber_sleep_ms(LOOK_MS, e) < 0)
			return NULL;
	}
	fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0) {
		err_sys(e, errno, "open '%s'", path);
		return NULL;
	}
	return io_consume(fd, e);
}

static void serve_serial(struct err *e)
{
	auto_io struct io *port = NULL;
	bool idle = false; /* it was told that there is no shell */

	/* Not there yet where the agent itself is reached another way. */
	if (modules_demand("virtio_console", e) == 0)
		port = open_port(e);
	while (port) {
		if (!host_is_there(port))
			idle = false;
		else if (!idle)
			idle = !run_shell(port);
		if (fiber_sleep_ms(LOOK_MS, e) < 0)
			return;
	}
}

static unsigned consoles;

static void serve_connection(void *arg)
{
	auto_io struct io *peer = arg;

	(void)run_shell(peer);
	consoles--;
}

static void serve_vsock(uint32_t port, struct err *e)
{
	auto_free char *uri = xasprintf("vsock://-1:%u", port);
	struct transport_address at;
	struct transport_listener *listener = NULL;
	struct fiber_group connections = FIBER_GROUP_INIT;

	if (transport_parse(uri, &at, e) == 0)
		listener = transport_listen(&at, e);
	while (listener) {
		struct err failed = ERR_INIT;
		struct io *peer = transport_accept(listener, DEADLINE_NEVER, &failed);

		if (!peer &&
		    (failed.code == ERR_CANCELLED || fiber_sleep_ms(ACCEPT_AGAIN_MS, &failed) < 0))
			break;
		if (!peer || consoles >= CONSOLES_MAX) {
			io_free(peer);
			continue;
		}
		consoles++;
		fiber_group_start(&connections, "debug console", serve_connection, peer);
	}
	fiber_group_cancel(&connections);
	fiber_group_wait(&connections);
	transport_listener_free(listener);
}

void console_serve(void *options)
{
	const struct agent_options *o = options;
	struct err e = ERR_INIT;

	if (o->debug_console_port > 0)
		serve_vsock(o->debug_console_port, &e);
	else
		serve_serial(&e);
	if (e.code != ERR_NONE && e.code != ERR_CANCELLED)
		log_warn("debug console: %s", e.text);
}
