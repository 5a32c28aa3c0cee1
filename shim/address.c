/* SPDX-License-Identifier: Apache-2.0 */
/* Where a shim listens; see address.h. */
#include "shim/address.h"

#include <errno.h>
#include <sha256.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include "common/base/mem.h"

/* Append the components of `path` to b, "" and "." left out and ".." taking one off (Go's Clean). */
static void add_cleaned(struct buf *b, const char *path)
{
	while (*path) {
		size_t len = strcspn(path, "/");

		if (len == 2 && memcmp(path, "..", 2) == 0) {
			char *slash = b->len ? memrchr(b->data, '/', b->len) : NULL;

			b->len = slash ? (size_t)(slash - b->data) : 0;
		} else if (len > 0 && !(len == 1 && path[0] == '.')) {
			buf_add(b, "/", 1);
			buf_add(b, path, len);
		}
		path += len;
		path += *path == '/';
	}
}

char *address_socket_path(const char *dir, const char *grpc_address, const char *ns, const char *id)
{
	auto_buf struct buf joined = BUF_INIT;
	char hex[SHA256_DIGEST_STRING_LENGTH];
	const char *text;

	add_cleaned(&joined, grpc_address);
	add_cleaned(&joined, ns);
	add_cleaned(&joined, id);
	/* A relative address stays one: the slash in front of the first component is ours. */
	text = joined.len ? joined.data : "/";
	if (joined.len && grpc_address[0] != '/')
		text++;
	(void)SHA256Data((const uint8_t *)text,
			 joined.len ? joined.len - (size_t)(text - joined.data) : 1, hex);
	return xasprintf("%s/%s", dir, hex);
}

bool address_answers(const char *socket_path)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	const struct timeval limit = { .tv_usec = 100 * 1000 };
	auto_close int fd = -1;

	if (strlen(socket_path) >= sizeof(to.sun_path))
		return false;
	memcpy(to.sun_path, socket_path, strlen(socket_path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	/* connect() waits only where the backlog is full; SO_SNDTIMEO bounds that (socket(7)). */
	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) < 0)
		return false;
	/* EAGAIN: so many wait that there is somebody they wait for. */
	return connect(fd, (const struct sockaddr *)&to, sizeof(to)) == 0 || errno == EAGAIN;
}
