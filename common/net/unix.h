/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_NET_UNIX_H
#define HUSK_NET_UNIX_H

#include <sys/types.h>

#include "common/async/io.h"

/*
 * Unix stream sockets. A path may be as long as PATH_MAX: one that does not fit sun_path (107 bytes,
 * unix(7)) is reached through a descriptor of its directory, so that only its last component has to
 * fit (some 80 bytes; more is ERR_INVALID).
 */

/* A listening descriptor, close-on-exec, socket mode 0600. The path must not exist yet (ERR_EXISTS). */
int unix_listen(const char *path, struct err *e) must_check;

/* One try. ERR_UNAVAILABLE where nobody listens, ERR_NOT_FOUND where there is no socket. */
struct io *unix_connect(const char *path, struct deadline d, struct err *e) must_check;

/* The same as a blocking descriptor, close-on-exec: to be handed to another program. */
int unix_connect_fd(const char *path, struct err *e) must_check;

/* Is the peer of this connected socket of our own user? -1 with ERR_DENIED if not. */
int unix_check_peer(int fd, struct err *e) must_check;

#endif
