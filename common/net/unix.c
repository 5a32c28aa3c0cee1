/* SPDX-License-Identifier: Apache-2.0 */
/* Unix stream sockets; see unix.h. */
#include "common/net/unix.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/path.h"

/* What bind() and connect() are given; the descriptor is part of it while it is in use. */
struct address {
	struct sockaddr_un sa;
	int dir; /* -1: the path fits */
};
#define ADDRESS_INIT ((struct address){ .sa = { .sun_family = AF_UNIX }, .dir = -1 })

static void address_done(struct address *a)
{
	if (a->dir >= 0)
		(void)close(a->dir);
}
#define auto_address CLEANUP(address_done)

static int address_of(const char *path, struct address *ret, struct err *e)
{
	const size_t room = sizeof(ret->sa.sun_path);
	const char *name = path_base(path);
	auto_free char *parent = NULL;
	char link[FD_PATH_MAX];
	int n;

	if (*name == '\0')
		return err_set(e, ERR_INVALID, "socket path '%.200s' names no socket", path);
	if (strlen(path) < room) {
		memcpy(ret->sa.sun_path, path, strlen(path) + 1);
		return 0;
	}
	parent = name == path ? xstrdup(".") : xstrndup(path, (size_t)(name - path));
	ret->dir = open(parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (ret->dir < 0)
		return err_sys(e, errno, "open '%s'", parent);
	n = snprintf(ret->sa.sun_path, room, "%s/%s", fd_path(ret->dir, link), name);
	if (n >= (int)room)
		return err_set(e, ERR_INVALID, "socket name '%s' is %zu bytes, the limit is %zu",
			       name, strlen(name), room - 1 - strlen(link) - 1);
	return 0;
}

static int stream_socket(struct err *e)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return fd < 0 ? err_sys(e, errno, "create a unix socket") : fd;
}

int unix_listen(const char *path, struct err *e)
{
	auto_address struct address a = ADDRESS_INIT;
	auto_close int fd = -1;

	if (address_of(path, &a, e) < 0)
		return -1;
	fd = stream_socket(e);
	if (fd < 0)
		return -1;
	/* Linux gives the path the mode of the descriptor, so it is never there with another one. */
	if (fchmod(fd, 0600) < 0)
		return err_sys(e, errno, "set the mode of '%s'", path);
	if (bind(fd, (const struct sockaddr *)&a.sa, sizeof(a.sa)) < 0) {
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

/* Not blocking: connect() itself would wait where too many wait already. */
static int connect_to(const char *path, struct err *e)
{
	auto_address struct address a = ADDRESS_INIT;
	auto_close int fd = -1;

	if (address_of(path, &a, e) < 0)
		return -1;
	fd = stream_socket(e);
	if (fd < 0)
		return -1;
	if (connect(fd, (const struct sockaddr *)&a.sa, sizeof(a.sa)) == 0)
		return take_fd(&fd);
	if (errno == EAGAIN)
		return err_set(e, ERR_UNAVAILABLE, "connect to '%s': too many wait there already",
			       path);
	return err_sys(e, errno, "connect to '%s'", path);
}

struct io *unix_connect(const char *path, struct deadline d, struct err *e)
{
	int fd = connect_to(path, e);

	(void)d; /* a local connect() is decided at once */
	return fd < 0 ? NULL : io_consume(fd, e);
}

int unix_connect_fd(const char *path, struct err *e)
{
	auto_close int fd = connect_to(path, e);

	if (fd < 0 || fd_set_nonblock(fd, false, e) < 0)
		return -1;
	return take_fd(&fd);
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
