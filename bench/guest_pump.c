/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the transport carries raw: run in a privileged container, writes so many bytes of zeros, or
 * what it reads from standard input, from the guest to the host and does nothing else; and the same
 * bytes from the same memory to standard output. Linked statically, because a container brings no
 * libraries of ours.
 *
 *      guest_pump serial NAME BYTES|-     through the virtio-serial port with that name
 *      guest_pump vsock PORT BYTES|-      to the first who connects to that vsock port
 *      guest_pump stdout PIECE BYTES      to standard output, PIECE bytes at a time
 *      guest_pump drain                   nowhere, from the pipe that is its standard input
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#define PORTS_DIR "/sys/class/virtio-ports"
#define NODE      "/dev/husk-bench-port"

/* As large as the agent's largest answer. The driver of the port cuts it into pieces of 32 KiB. */
#define CHUNK (256u << 10)

#define PIPE_BYTES (1u << 20) /* as large as a standard output is in a guest of ours */

static int fail(const char *what)
{
	(void)fprintf(stderr, "guest_pump: %s: %s\n", what, strerror(errno));
	return -1;
}

/* The first line of a file below the port's directory, without its newline. */
static int read_line(const char *port, const char *file, char *line, int size)
{
	char path[PATH_MAX];
	FILE *in;
	const char *got;

	(void)snprintf(path, sizeof(path), PORTS_DIR "/%s/%s", port, file);
	in = fopen(path, "re");
	if (!in)
		return -1;
	got = fgets(line, size, in);
	(void)fclose(in);
	if (!got)
		return -1;
	line[strcspn(line, "\n")] = '\0';
	return 0;
}

/* "MAJOR:MINOR" of the port with that name. */
static int find_port(const char *name, unsigned *ret_major, unsigned *ret_minor)
{
	DIR *dir = opendir(PORTS_DIR);
	const struct dirent *entry;
	int result = -1;

	if (!dir)
		return fail(PORTS_DIR);
	while (result < 0 && (entry = readdir(dir))) {
		char line[64], *end;
		unsigned long high, low;

		if (read_line(entry->d_name, "name", line, sizeof(line)) < 0 ||
		    strcmp(line, name) != 0 ||
		    read_line(entry->d_name, "dev", line, sizeof(line)) < 0)
			continue;
		high = strtoul(line, &end, 10);
		if (*end != ':')
			continue;
		low = strtoul(end + 1, &end, 10);
		if (*end != '\0')
			continue;
		*ret_major = (unsigned)high;
		*ret_minor = (unsigned)low;
		result = 0;
	}
	(void)closedir(dir);
	if (result < 0) {
		errno = ENOENT;
		return fail(name);
	}
	return 0;
}

/* The container's /dev has no node for it: it gets one. */
static int open_port(const char *name)
{
	unsigned high, low;
	int fd;

	if (find_port(name, &high, &low) < 0)
		return -1;
	if (mknod(NODE, S_IFCHR | 0600, makedev(high, low)) < 0 && errno != EEXIST)
		return fail("make a node for the port");
	fd = open(NODE, O_WRONLY | O_CLOEXEC);
	return fd < 0 ? fail("open the port") : fd;
}

static int accept_vsock(unsigned port)
{
	struct sockaddr_vm at = { .svm_family = AF_VSOCK,
				  .svm_cid = VMADDR_CID_ANY,
				  .svm_port = port };
	int listener = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int fd;

	if (listener < 0)
		return fail("vsock socket");
	if (bind(listener, (const struct sockaddr *)&at, sizeof(at)) < 0 ||
	    listen(listener, 1) < 0) {
		(void)close(listener);
		return fail("listen on vsock");
	}
	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	(void)close(listener);
	return fd < 0 ? fail("accept on vsock") : fd;
}

static char chunk[CHUNK];
static size_t piece = CHUNK; /* bytes in one write */

static int write_chunk(int fd, size_t len)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = write(fd, chunk + done, len - done);

		if (n < 0 && errno != EINTR)
			return fail("write");
		if (n > 0)
			done += (size_t)n;
	}
	return 0;
}

static int pump_zeros(int fd, unsigned long long bytes)
{
	while (bytes > 0) {
		size_t len = bytes < piece ? (size_t)bytes : piece;

		if (write_chunk(fd, len) < 0)
			return -1;
		bytes -= len;
	}
	return 0;
}

static int pump_input(int fd)
{
	ssize_t n;

	while ((n = read(STDIN_FILENO, chunk, CHUNK)) > 0)
		if (write_chunk(fd, (size_t)n) < 0)
			return -1;
	return n < 0 ? fail("read") : 0;
}

static int open_stdout(const char *bytes)
{
	piece = strtoul(bytes, NULL, 10);
	if (piece == 0 || piece > CHUNK) {
		errno = EINVAL;
		return fail(bytes);
	}
	return STDOUT_FILENO;
}

/* What comes through standard input is thrown away, without a look at it. */
static int drain(void)
{
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	ssize_t n;

	if (null < 0)
		return fail("open /dev/null");
	if (fcntl(STDIN_FILENO, F_SETPIPE_SZ, PIPE_BYTES) < 0) {
		(void)close(null);
		return fail("enlarge the pipe");
	}
	while ((n = splice(STDIN_FILENO, NULL, null, NULL, PIPE_BYTES, SPLICE_F_MOVE)) > 0)
		;
	(void)close(null);
	return n < 0 ? fail("splice") : 0;
}

int main(int argc, char **argv)
{
	unsigned long long bytes = 0;
	bool input;
	int fd, result;

	if (argc == 2 && strcmp(argv[1], "drain") == 0)
		return drain() < 0 ? 1 : 0;
	if (argc != 4) {
		(void)fprintf(stderr, "usage: guest_pump serial NAME BYTES|-\n"
				      "       guest_pump vsock PORT BYTES|-\n"
				      "       guest_pump stdout PIECE BYTES\n"
				      "       guest_pump drain\n");
		return 2;
	}
	input = strcmp(argv[3], "-") == 0;
	if (!input)
		bytes = strtoull(argv[3], NULL, 10);
	if (strcmp(argv[1], "serial") == 0)
		fd = open_port(argv[2]);
	else if (strcmp(argv[1], "stdout") == 0)
		fd = open_stdout(argv[2]);
	else
		fd = accept_vsock((unsigned)strtoul(argv[2], NULL, 10));
	if (fd < 0)
		return 1;
	result = input ? pump_input(fd) : pump_zeros(fd, bytes);
	(void)close(fd);
	return result < 0 ? 1 : 0;
}
