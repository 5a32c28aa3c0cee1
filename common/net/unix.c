/* SPDX-License-Identifier: Apache-2.0 */
/* Unix stream sockets; see unix.h. */
#include "common/net/unix.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

static int address_of(const char *path, struct sockaddr_un *ret, struct err *e)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	if (*path == '\0')
		return err_set(e, ERR_INVALID, "a socket path is empty");
	if (strlen(path) >= sizeof(sa.sun_path))
		return err_set(e, ERR_INVALID, "socket path '%s' is %zu bytes, the limit is %zu",
			       path, strlen(path), sizeof(sa.sun_path) - 1);
	memcpy(sa.sun_path, path, strlen(path) + 1);
	*ret = sa;
	return 0;
}

static int stream_socket(struct err *e)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return fd < 0 ? err_sys(e, errno, "create a unix socket") : fd;
}

int unix_listen(const char *path, struct err *e)
{
	auto_close int fd = -1;
	struct sockaddr_un sa;

	if (address_of(path, &sa, e) < 0)
		return -1;
	fd = stream_socket(e);
	if (fd < 0)
		return -1;
	/* Linux gives the path the mode of the descriptor, so it is never there with another one. */
	if (fchmod(fd, 0600) < 0)
		return err_sys(e, errno, "set the mode of '%s'", path);
	if (bind(fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0) {
		if (errno == EADDRINUSE)
			return err_set(e, ERR_EXISTS, "bind '%s': it exists already", path);
		return err_sys(e, errno, "bind '%s'", path);
	}
	if (listen(fd, SOMAXCONN) < 0) {
		err_sys(e, errno, "listen on '%s'", path);
		(void)unlink(path);
		return -1;
	}
	return take_fd(&fd);
}

struct io *unix_connect(const char *path, struct deadline d, struct err *e)
{
	auto_close int fd = -1;
	struct sockaddr_un sa;

	(void)d; /* a local connect() is decided at once */
	if (address_of(path, &sa, e) < 0)
		return NULL;
	fd = stream_socket(e);
	if (fd < 0)
		return NULL;
	if (connect(fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0) {
		if (errno == EAGAIN)
			err_set(e, ERR_UNAVAILABLE, "connect to '%s': too many wait there already",
				path);
		else
			err_sys(e, errno, "connect to '%s'", path);
		return NULL;
	}
	return io_consume(take_fd(&fd), e);
}

int unix_check_peer(int fd, struct err *e)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return err_sys(e, errno, "ask for the peer of a socket");
	if (peer.uid != geteuid())
		return err_set(e, ERR_DENIED, "the peer is user %u (process %d), not user %u",
			       peer.uid, (int)peer.pid, geteuid());
	return 0;
}
