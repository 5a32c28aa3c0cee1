/* SPDX-License-Identifier: Apache-2.0 */
/* The last steps: working directory, program, the word to go, exec. */
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/syscall.h>

#include "agent/process/program.h"
#include "agent/process/stage.h"
#include "agent/process/stage_step.h"
#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/path.h"

/*
 * After the change of user: whether it may be entered is the program's user's right. Resolved in the
 * root without magic links, so that /proc/self/fd/N of this process is no way out, and checked again:
 * the kernel says of a directory that is not below the root that it has no name.
 */
int stage_change_directory(struct stage *s, struct err *e)
{
	char name[PATH_MAX];
	auto_close int fd =
		path_open_in_root(s->rootfd, s->process->cwd, O_PATH | O_DIRECTORY, 0, e);

	if (fd < 0)
		return -1;
	if (fchdir(fd) < 0)
		return err_sys(e, errno, "enter '%s'", s->process->cwd);
	if (syscall(SYS_getcwd, name, sizeof(name)) < 0)
		return err_sys(e, errno, "where '%s' is", s->process->cwd);
	if (name[0] != '/')
		return err_set(e, ERR_DENIED, "'%s' is outside the root file system",
			       s->process->cwd);
	return 0;
}

int stage_find_program(struct stage *s, struct err *e)
{
	s->program = program_find(s->process->args[0], s->env, e);
	return s->program ? 0 : -1;
}

int stage_wait_for_start(struct stage *s, struct err *e)
{
	const char ready = STAGE_READY;
	char byte;

	(void)s;
	if (write_all(STAGE_FD_STATUS, &ready, 1) < 0)
		return err_sys(e, errno, "tell the agent");
	/* End of file: the container is removed before it was started. */
	if (read_full(STAGE_FD_START, &byte, 1) != 1)
		_exit(1);
	return 0;
}

int stage_exec(struct stage *s, struct err *e)
{
	auto_free char **argv = xcalloc(s->process->n_args + 1, sizeof(char *));

	for (size_t i = 0; i < s->process->n_args; i++)
		argv[i] = s->process->args[i];
	(void)execve(s->program, argv, s->env);
	err_set(e, errno == ENOENT ? ERR_NOT_FOUND : ERR_DENIED, "exec: \"%s\": %s",
		s->process->args[0], strerror(errno));
	e->sys = errno;
	return -1;
}
