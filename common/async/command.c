/* SPDX-License-Identifier: Apache-2.0 */
/* Run a program to its end; see command.h. */
#include "common/async/command.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/async/child.h"
#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/path.h"

#define SAID_MAX 1024 /* bytes of what a failed program said, in the error */

static void child_free_slot(struct child **c)
{
	child_free(*c);
}

/* A file in memory: neither side of a pipe has to be waited for. */
static int memory_file(const void *data, size_t len, struct err *e)
{
	auto_close int fd = memfd_create("command", MFD_CLOEXEC);

	if (fd < 0)
		return err_sys(e, errno, "memfd_create");
	if (write_all(fd, data, len) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(e, errno, "write the input");
	return take_fd(&fd);
}

static int read_back(int fd, const char *name, char **ret, size_t *ret_len, struct err *e)
{
	if (lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(e, errno, "read what %s said", name);
	return fd_read_all(fd, COMMAND_OUTPUT_MAX, name, ret, ret_len, e);
}

static int failed(const char *name, int code, int out, int err, struct err *e)
{
	auto_free char *said = NULL;
	struct err ignored = ERR_INIT;

	if (read_back(err, name, &said, NULL, &ignored) < 0 || !said[0]) {
		free(take_ptr(said));
		(void)!read_back(out, name, &said, NULL, &ignored);
	}
	if (said)
		for (size_t len = strlen(said); len > 0 && said[len - 1] == '\n'; len--)
			said[len - 1] = '\0';
	return err_set(e, ERR_INTERNAL, "%s ended with code %d: %.*s", name, code, SAID_MAX,
		       said && said[0] ? said : "it said nothing");
}

int command_run(const struct command *c, struct deadline d, char **ret, size_t *ret_len,
		struct err *e)
{
	const char *path = c->path ? c->path : c->argv[0];
	const char *name = path_base(c->argv[0]);
	auto_close int in = memory_file(c->input ? c->input : "", c->input_len, e);
	auto_close int out = in < 0 ? -1 : memory_file("", 0, e);
	auto_close int err = out < 0 ? -1 : memory_file("", 0, e);
	CLEANUP(child_free_slot) struct child *child = NULL;
	auto_free struct child_fd *fds = xcalloc(3 + c->n_fds, sizeof(*fds));
	const struct child_spec spec = {
		.name = name,
		.path = path,
		.argv = c->argv,
		.envp = c->envp,
		.cwd = c->cwd,
		.before_exec = c->before_exec,
		.fds = fds,
		.n_fds = 3 + c->n_fds,
		.new_session = true,
		.die_with_parent = true,
	};
	int code;

	if (err < 0)
		return -1;
	fds[0] = (struct child_fd){ in, 0 };
	fds[1] = (struct child_fd){ out, 1 };
	fds[2] = (struct child_fd){ err, 2 };
	for (size_t i = 0; i < c->n_fds; i++)
		fds[3 + i] = c->fds[i];
	child = child_spawn(&spec, e);
	if (!child)
		return -1;
	if (child_wait(child, d, &code, e) < 0)
		return err_wrap(e, "wait for %s", name);
	if (code != 0)
		return failed(name, code, out, err, e);
	return ret ? read_back(out, name, ret, ret_len, e) : 0;
}
