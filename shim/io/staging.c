/* SPDX-License-Identifier: Apache-2.0 */
/* Output on its way, without a copy; see staging.h. */
#include "shim/io/staging.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "common/base/log.h"

#define STAGING_SIZE (1 << 20) /* bytes: as much as is asked for at a time */

void staging_make(struct staging *s, const struct io *to)
{
	int ends[2];

	if (s->writer >= 0 || fcntl(io_fd(to), F_GETPIPE_SZ) < 0)
		return;
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0) {
		log_debug("output is copied: %s", strerror(errno));
		return;
	}
	/* In a smaller one there is room for the beginning of an answer; the rest is copied. */
	if (fcntl(ends[1], F_SETPIPE_SZ, STAGING_SIZE) < 0)
		log_debug("a pipe keeps its default size: %s", strerror(errno));
	*s = (struct staging){ .reader = ends[0], .writer = ends[1] };
}

int staging_pass(struct staging *s, size_t len, struct io *to, struct err *e)
{
	while (len > 0) {
		ssize_t n = splice(s->reader, NULL, io_fd(to), NULL, len,
				   SPLICE_F_MOVE | SPLICE_F_NONBLOCK);

		if (n > 0) {
			len -= (size_t)n;
			continue;
		}
		if (n == 0)
			return err_set(e, ERR_INTERNAL, "%zu bytes are missing in a pipe", len);
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return err_sys(e, errno, "splice");
		if (io_wait_writable(to, DEADLINE_NEVER, e) < 0)
			return -1;
	}
	return 0;
}

void staging_done(struct staging *s)
{
	if (s->reader >= 0)
		(void)close(s->reader);
	if (s->writer >= 0)
		(void)close(s->writer);
	*s = STAGING_NONE;
}
