/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pod's end of the TCP connections that bench/pod_tcp.py measures, one after the other. Linked
 * statically, as guest_pump is.
 *
 *      tcp_peer PORT
 *
 * The first byte of a connection says what is to be done with it:
 *      e   send back each byte that comes
 *      s   read to the end, then send one byte
 *      p   send zeros until the other end has gone
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static char chunk[256u << 10];

static int fail(const char *what)
{
	(void)fprintf(stderr, "tcp_peer: %s: %s\n", what, strerror(errno));
	return -1;
}

static int listen_on(unsigned port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return fail("socket");
	if (bind(fd, (const struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, 4) < 0) {
		(void)close(fd);
		return fail("listen");
	}
	return fd;
}

static void echo(int fd)
{
	char byte;

	while (read(fd, &byte, 1) == 1)
		if (write(fd, &byte, 1) != 1)
			return;
}

static void sink(int fd)
{
	ssize_t n;

	do
		n = read(fd, chunk, sizeof(chunk));
	while (n > 0);
	if (n < 0 || write(fd, chunk, 1) != 1)
		(void)fail("sink");
}

static void pump(int fd)
{
	while (write(fd, chunk, sizeof(chunk)) > 0)
		;
}

static void serve(int fd)
{
	const int on = 1;
	char what;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (read(fd, &what, 1) != 1)
		return;
	if (what == 'e')
		echo(fd);
	else if (what == 's')
		sink(fd);
	else if (what == 'p')
		pump(fd);
}

int main(int argc, char **argv)
{
	unsigned long port = argc == 2 ? strtoul(argv[1], NULL, 10) : 0;
	int listener;

	if (port == 0 || port > UINT16_MAX) {
		(void)fprintf(stderr, "usage: tcp_peer PORT\n");
		return 2;
	}
	(void)signal(SIGPIPE, SIG_IGN); /* a peer that has gone is an error of write() */
	listener = listen_on((unsigned)port);
	if (listener < 0)
		return 1;
	(void)puts("listening");
	(void)fflush(stdout);
	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

		if (fd < 0) {
			(void)fail("accept");
			return 1;
		}
		serve(fd);
		(void)close(fd);
	}
}
