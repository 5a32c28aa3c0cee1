/* SPDX-License-Identifier: Apache-2.0 */
/* AF_VSOCK; see vsock.h. */
#include "common/net/vsock.h"

#include <sys/socket.h>

#include <linux/vm_sockets.h>

static int stream_socket(struct err *e)
{
	int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd >= 0)
		return fd;
	if (errno == EAFNOSUPPORT)
		return err_set(e, ERR_UNSUPPORTED, "the kernel has no vsock (module vsock)");
	return err_sys(e, errno, "create a vsock socket");
}

int vsock_listen(uint32_t cid, uint32_t port, struct err *e)
{
	struct sockaddr_vm sa = { .svm_family = AF_VSOCK, .svm_cid = cid, .svm_port = port };
	auto_close int fd = stream_socket(e);

	if (fd < 0)
		return -1;
	if (bind(fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0)
		return err_sys(e, errno, "bind vsock port %u", port);
	if (listen(fd, SOMAXCONN) < 0)
		return err_sys(e, errno, "listen on vsock port %u", port);
	return take_fd(&fd);
}

/* What a guest that is not there (yet) looks like from here. */
static int connect_error(int sys, uint32_t cid, uint32_t port, struct err *e)
{
	err_sys(e, sys, "connect to vsock %u:%u", cid, port);
	if (sys == ENODEV || sys == EHOSTUNREACH || sys == ENETUNREACH || sys == ETIMEDOUT)
		e->code = ERR_UNAVAILABLE;
	return -1;
}

static int finish_connect(struct io *io, uint32_t cid, uint32_t port, struct deadline d,
			  struct err *e)
{
	socklen_t len = sizeof(int);
	int sys = 0;

	if (io_wait_writable(io, d, e) < 0)
		return err_wrap(e, "connect to vsock %u:%u", cid, port);
	if (getsockopt(io_fd(io), SOL_SOCKET, SO_ERROR, &sys, &len) < 0)
		sys = errno;
	return sys ? connect_error(sys, cid, port, e) : 0;
}

struct io *vsock_connect(uint32_t cid, uint32_t port, struct deadline d, struct err *e)
{
	struct sockaddr_vm sa = { .svm_family = AF_VSOCK, .svm_cid = cid, .svm_port = port };
	auto_close int fd = stream_socket(e);
	auto_io struct io *io = NULL;
	bool pending;

	if (fd < 0)
		return NULL;
	pending = connect(fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0;
	if (pending && errno != EINPROGRESS) {
		connect_error(errno, cid, port, e);
		return NULL;
	}
	io = io_consume(take_fd(&fd), e);
	if (!io || (pending && finish_connect(io, cid, port, d, e) < 0))
		return NULL;
	return take_ptr(io);
}
