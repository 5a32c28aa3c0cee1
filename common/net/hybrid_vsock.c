/* SPDX-License-Identifier: Apache-2.0 */
/* The handshake of hybrid vsock; see hybrid_vsock.h. */
#include "common/net/hybrid_vsock.h"

#include <stdio.h>
#include <string.h>

#include "common/net/line.h"
#include "common/net/unix.h"

int hybrid_vsock_check_reply(const char *line, struct err *e)
{
	if (strncmp(line, "OK", 2) == 0 && (line[2] == '\0' || line[2] == ' '))
		return 0;
	return err_set(e, ERR_INVALID, "the VMM answered '%s' instead of 'OK <port>'", line);
}

/* One byte per read(): what follows the newline is the guest's. A line has some 15 bytes. */
static int read_line(struct io *io, struct line *l, struct deadline d, struct err *e)
{
	for (;;) {
		ssize_t n;
		char c;

		n = io_read(io, &c, 1, d, e);
		if (n < 0)
			return -1;
		if (n == 0)
			return err_set(e, ERR_UNAVAILABLE, "nobody listens in the guest");
		switch (line_add(l, c)) {
		case LINE_MORE:
			break;
		case LINE_DONE:
			return 0;
		case LINE_TOO_LONG:
			return err_set(e, ERR_INVALID, "the VMM's answer is longer than %u bytes",
				       HANDSHAKE_LINE_MAX);
		}
	}
}

int hybrid_vsock_handshake(struct io *io, uint32_t port, struct deadline d, struct err *e)
{
	struct line reply = LINE_INIT;
	char request[32];
	int len = snprintf(request, sizeof(request), "CONNECT %u\n", port);

	if (io_write(io, request, (size_t)len, d, e) < 0)
		return -1;
	if (read_line(io, &reply, d, e) < 0)
		return -1;
	return hybrid_vsock_check_reply(reply.text, e);
}

struct io *hybrid_vsock_connect(const char *path, uint32_t port, struct deadline d, struct err *e)
{
	auto_io struct io *io = unix_connect(path, d, e);

	if (!io)
		return NULL;
	if (hybrid_vsock_handshake(io, port, d, e) < 0) {
		/* Reset instead of closed, where our request was not even read. */
		if (e->sys == ECONNRESET || e->sys == EPIPE)
			err_set(e, ERR_UNAVAILABLE, "nobody listens in the guest");
		err_wrap(e, "port %u of '%s'", port, path);
		return NULL;
	}
	return take_ptr(io);
}
