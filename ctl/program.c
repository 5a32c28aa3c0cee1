/* SPDX-License-Identifier: Apache-2.0 */
/* What a program says of its version; see program.h. */
#include "ctl/program.h"

#include <fcntl.h>
#include <string.h>

#include "common/async/child.h"
#include "common/async/io.h"
#include "common/base/mem.h"

#define ANSWER_MS  5000 /* a cold QEMU takes a few hundred */
#define OUTPUT_MAX 4096 /* bytes; the first line comes first */

int program_version(const char *path, char **ret, struct err *e)
{
	const char *const argv[] = { path, "--version", NULL };
	struct deadline d = deadline_in_ms(ANSWER_MS);
	char text[OUTPUT_MAX + 1];
	struct child *child;
	struct child_fd fds[2];
	auto_io struct io *io = NULL;
	size_t len = 0;
	ssize_t n = 1;
	int code = 0, ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(e, errno, "pipe");
	fds[0] = (struct child_fd){ .from = ends[1], .to = STDOUT_FILENO };
	fds[1] = (struct child_fd){ .from = ends[1], .to = STDERR_FILENO };
	child = child_spawn(&(struct child_spec){ .name = path,
						  .argv = argv,
						  .fds = fds,
						  .n_fds = ARRAY_LEN(fds),
						  .die_with_parent = true },
			    e);
	(void)close(ends[1]);
	io = io_consume(ends[0], e);
	if (!child || !io) {
		child_free(child);
		return -1;
	}
	while (n > 0 && len < OUTPUT_MAX) {
		n = io_read(io, text + len, OUTPUT_MAX - len, d, e);
		if (n > 0)
			len += (size_t)n;
	}
	if (n >= 0 && len < OUTPUT_MAX)
		n = child_wait(child, d, &code, e);
	child_free(child);
	if (n < 0)
		return err_wrap(e, "%s --version", path);

	text[len] = '\0';
	text[strcspn(text, "\r\n")] = '\0';
	if (code != 0)
		return err_set(e, ERR_INTERNAL, "%s --version: exit code %d: %s", path, code, text);
	*ret = xstrdup(text);
	return 0;
}
