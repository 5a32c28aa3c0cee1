/* SPDX-License-Identifier: Apache-2.0 */
/* Fifos and files as the host's end of a standard stream; see endpoint.h. */
#include "shim/io/endpoint.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/async/fiber.h"
#include "common/base/mem.h"
#include "common/base/path.h"

#define OUTPUT_FIFO_SIZE (1 << 20) /* bytes: what the kernel gives without privileges, pipe(7) */
#define CLIENT_WAIT_MS   5000      /* on a host that takes the processor away for seconds */
#define CLIENT_POLL_MS   2

static int take_into_endpoint(int *fd, int *keep, struct endpoint *ret, struct err *e)
{
	struct io *io = io_consume(take_fd(fd), e);

	if (!io)
		return -1;
	*ret = (struct endpoint){ .io = io, .keep = take_fd(keep) };
	return 0;
}

static int is_fifo(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode);
}

/*
 * A client opens its end in the background and may not have got there yet. What a short-lived process
 * writes into a fifo that nobody else has opened is gone when we close it, so the client is waited
 * for; one that does not come in time has detached. -1 with errno ENXIO then.
 */
static int open_for_writing(const char *path, struct deadline d)
{
	struct deadline limit = deadline_min(d, deadline_in_ms(CLIENT_WAIT_MS));
	struct err cancelled = ERR_INIT;

	for (;;) {
		int fd = open(path, O_WRONLY | O_APPEND | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);

		if (fd >= 0 || errno != ENXIO || deadline_passed(limit))
			return fd;
		if (fiber_sleep_ms(CLIENT_POLL_MS, &cancelled) < 0) {
			fiber_cancel_again();
			errno = ENXIO;
			return -1;
		}
	}
}

int endpoint_open_output(const char *path, struct deadline d, struct endpoint *ret, struct err *e)
{
	auto_close int writer = open_for_writing(path, d);
	auto_close int reader = -1;

	if (writer < 0 && errno != ENXIO)
		return err_sys(e, errno, "open '%s'", path);
	/* A fifo opened for reading first never blocks, nor does then the end for writing. */
	reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	if (reader < 0)
		return err_sys(e, errno, "open '%s'", path);
	if (writer < 0)
		writer = open(path, O_WRONLY | O_APPEND | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	if (writer < 0)
		return err_sys(e, errno, "open '%s' for writing", path);
	if (is_fifo(reader)) {
		/* Room for an answer of the agent at once; a refusal costs speed only. */
		(void)fcntl(writer, F_SETPIPE_SZ, OUTPUT_FIFO_SIZE);
	} else {
		(void)close(reader);
		reader = -1;
	}
	return take_into_endpoint(&writer, &reader, ret, e);
}

int endpoint_open_input(const char *path, struct endpoint *ret, struct err *e)
{
	auto_close int reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	auto_close int writer = -1;

	if (reader < 0)
		return err_sys(e, errno, "open '%s'", path);
	if (is_fifo(reader)) {
		writer = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
		if (writer < 0)
			return err_sys(e, errno, "open '%s' for writing", path);
	}
	return take_into_endpoint(&reader, &writer, ret, e);
}

int endpoint_open_file(const char *path, struct endpoint *ret, struct err *e)
{
	auto_free char *dir = xstrndup(path, (size_t)(path_base(path) - path));
	auto_close int keep = -1;
	auto_close int fd = -1;

	if (path_mkdirs(dir, 0755, e) < 0)
		return -1;
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0644);
	if (fd < 0)
		return err_sys(e, errno, "open '%s'", path);
	return take_into_endpoint(&fd, &keep, ret, e);
}

void endpoint_close(struct endpoint *p)
{
	if (p->io)
		io_free(p->io);
	if (p->keep >= 0)
		(void)close(p->keep);
	*p = ENDPOINT_NONE;
}
