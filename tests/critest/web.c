/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nginx as far as critest looks at one: a process that calls itself "nginx: master process", a pid
 * file, and "200 OK" for whoever connects to port 80 (or the one that is given).
 */
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char title[] = "nginx: master process nginx";
static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 8\r\n"
			     "Connection: close\r\n\r\nwelcome\n";

static int listen_on(unsigned short port)
{
	struct sockaddr_in6 any = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	int fd = socket(AF_INET6, SOCK_STREAM, 0), on = 1;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    bind(fd, (struct sockaddr *)&any, sizeof(any)) < 0 || listen(fd, 16) < 0) {
		perror("listen");
		exit(1);
	}
	return fd;
}

static void note_pid(void)
{
	FILE *file = fopen("/var/run/nginx.pid", "w");

	if (!file)
		return;
	(void)fprintf(file, "%d\n", (int)getpid());
	(void)fclose(file);
}

int main(int argc, char **argv)
{
	char request[4096];
	int fd;

	/* What /proc/PID/cmdline shows is the arguments' own memory: the image gives enough of them. */
	if (argc < 2 || strcmp(argv[0], title) != 0)
		return execl("/proc/self/exe", title, argc > 1 ? argv[1] : "80", (char *)NULL);
	(void)signal(SIGTERM, exit);
	(void)signal(SIGPIPE, SIG_IGN);
	fd = listen_on((unsigned short)strtoul(argv[1], NULL, 10));
	note_pid();
	/* A log is expected of the one that is called httpd. */
	(void)puts("httpd or nginx, as you like");
	(void)fflush(stdout);
	for (;;) {
		int client = accept(fd, NULL, NULL);

		if (client < 0)
			continue;
		(void)!read(client, request, sizeof(request));
		(void)!write(client, answer, sizeof(answer) - 1);
		(void)shutdown(client, SHUT_WR);
		(void)!read(client, request, sizeof(request));
		(void)close(client);
	}
}
