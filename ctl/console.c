/* SPDX-License-Identifier: Apache-2.0 */
/* huskctl console: the terminal on one side, the sandbox's console socket on the other. */
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <termios.h>

#include "common/base/fd.h"
#include "config/config.h"
#include "ctl/command.h"
#include "ctl/console_socket.h"

#define LEAVE '\x1d' /* Control-], as telnet has it */

/* Pass on what is there. 1: go on, 0: end of that side. */
static int pass(int from, int to, bool is_keyboard, struct err *e)
{
	char bytes[4096];
	ssize_t n = read(from, bytes, sizeof(bytes));
	const char *leave;

	if (n < 0)
		return errno == EINTR || errno == EAGAIN ? 1 : err_sys(e, errno, "read");
	if (n == 0)
		return 0;
	leave = is_keyboard ? memchr(bytes, LEAVE, (size_t)n) : NULL;
	if (write_all(to, bytes, leave ? (size_t)(leave - bytes) : (size_t)n) < 0)
		return err_sys(e, errno, "write");
	return leave ? 0 : 1;
}

/* Until the console ends, or the person leaves. A script's end of input does not end the output. */
static int relay(int console, bool is_terminal, struct err *e)
{
	struct pollfd fds[] = { { .fd = console, .events = POLLIN },
				{ .fd = STDIN_FILENO, .events = POLLIN } };

	for (;;) {
		int r = 1;

		if (poll(fds, ARRAY_LEN(fds), -1) < 0) {
			if (errno == EINTR)
				continue;
			return err_sys(e, errno, "poll");
		}
		if (fds[0].revents)
			r = pass(console, STDOUT_FILENO, false, e);
		if (r <= 0)
			return r;
		if (fds[1].revents)
			r = pass(STDIN_FILENO, console, is_terminal, e);
		if (r < 0 || (r == 0 && is_terminal))
			return r;
		if (r == 0) {
			fds[1].fd = -1;
			(void)shutdown(console, SHUT_WR);
		}
	}
}

int command_console(const struct command_args *args)
{
	auto_config struct config *config = NULL;
	auto_close int console = -1;
	struct termios saved, raw;
	struct err e = ERR_INIT;
	bool is_terminal;
	int r;

	if (config_load(args->config, &config, &e) < 0)
		goto failed;
	console = console_connect(config, args->name, &e);
	if (console < 0)
		goto failed;

	is_terminal = isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &saved) == 0;
	if (is_terminal) {
		fprintf(stderr, "connected to %s; Control-] leaves\r\n", args->name);
		raw = saved;
		cfmakeraw(&raw);
		(void)tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	}
	r = relay(console, is_terminal, &e);
	if (is_terminal)
		(void)tcsetattr(STDIN_FILENO, TCSANOW, &saved);
	if (r == 0)
		return 0;
failed:
	fprintf(stderr, "huskctl: %s\n", e.text);
	return 1;
}
