/* SPDX-License-Identifier: Apache-2.0 */
/* Run a program to its end; see command.h. */
#include "common/async/command.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/async/child.h"
#include "common/async/fiber.h"
#include "common/async/io.h"
#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/path.h"

#define SAID_MAX  1024 /* bytes of what a failed program said, in the error */
#define READ_SIZE 16384

static void child_free_slot(struct child **c)
{
	child_free(*c);
}

/* Its input is a file in memory: nobody has to wait for it to read. */
static int input_file(const void *data, size_t len, struct err *e)
{
	auto_close int fd = memfd_create("command", MFD_CLOEXEC);

	if (fd < 0)
		return err_sys(e, errno, "memfd_create");
	if (write_all(fd, data, len) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(e, errno, "write the input");
	return take_fd(&fd);
}

/*
 * What a program says: a pipe that is read to its end, so that the program is not held up, and of which
 * only the beginning is kept. A limit on files would be one on those that it is run to write.
 */
struct said {
	struct io *io;
	size_t max;
	char *text; /* NUL-terminated, NULL: nothing */
	size_t len;
	bool beyond; /* there was more than max */
	bool ended;  /* the program has */
};

static void said_done(struct said *s)
{
	io_free(s->io);
	free(s->text);
}

/* *ret_theirs: the end for the program. */
static int said_init(struct said *s, size_t max, int *ret_theirs, struct err *e)
{
	int ends[2];

	*s = (struct said){ .max = max };
	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(e, errno, "pipe");
	*ret_theirs = ends[1];
	s->io = io_consume(ends[0], e);
	return s->io ? 0 : -1;
}

static void keep(struct said *s, const char *buf, size_t len)
{
	size_t n = len < s->max - s->len ? len : s->max - s->len;

	s->beyond = s->beyond || n < len;
	if (n == 0)
		return;
	s->text = xrealloc(s->text, s->len + n + 1);
	memcpy(s->text + s->len, buf, n);
	s->len += n;
	s->text[s->len] = '\0';
}

/* A fiber: until end of file or the cancel; where there is always more to read, it has no wait that a cancel ends. */
static void read_said(void *arg)
{
	struct said *s = arg;
	struct err ignored = ERR_INIT;
	char buf[READ_SIZE];
	ssize_t n;

	while (!s->ended && (n = io_read(s->io, buf, sizeof(buf), DEADLINE_NEVER, &ignored)) > 0)
		keep(s, buf, (size_t)n);
}

/*
 * What is still in the pipe when the program has ended. No further than to the limit: what it left running
 * may have the other end, and write for ever.
 */
static void read_rest(struct said *s)
{
	char buf[READ_SIZE];
	ssize_t n;

	while (!s->beyond && (n = io_try_read(s->io, buf, sizeof(buf))) > 0)
		keep(s, buf, (size_t)n);
}

static int failed(const char *name, int code, const struct said *said, struct err *e)
{
	size_t len = said->text ? strnlen(said->text, SAID_MAX) : 0;

	while (len > 0 && said->text[len - 1] == '\n')
		len--;
	if (len == 0)
		return err_set(e, ERR_INTERNAL, "%s ended with code %d: it said nothing", name,
			       code);
	return err_set(e, ERR_INTERNAL, "%s ended with code %d: %.*s", name, code, (int)len,
		       said->text);
}

/* Run it to its end while its output is read. */
static int run_child(const struct child_spec *spec, int *theirs, struct said *out, struct said *err,
		     struct deadline d, int *ret_code, struct err *e)
{
	CLEANUP(child_free_slot) struct child *child = child_spawn(spec, e);
	struct fiber_group readers = FIBER_GROUP_INIT;
	int r;

	for (int i = 0; i < 2; i++)
		(void)close(take_fd(&theirs[i]));
	if (!child)
		return -1;
	fiber_group_start(&readers, "command output", read_said, out);
	fiber_group_start(&readers, "command output", read_said, err);
	r = child_wait(child, d, ret_code, e);
	out->ended = err->ended = true;
	fiber_group_cancel(&readers);
	fiber_group_wait(&readers);
	read_rest(out);
	read_rest(err);
	return r < 0 ? err_wrap(e, "wait for %s", spec->name) : 0;
}

int command_run(const struct command *c, struct deadline d, char **ret, size_t *ret_len,
		struct err *e)
{
	const char *name = path_base(c->argv[0]);
	auto_close int in = input_file(c->input ? c->input : "", c->input_len, e);
	auto_free struct child_fd *fds = xcalloc(3 + c->n_fds, sizeof(*fds));
	const struct child_spec spec = {
		.name = name,
		.path = c->path ? c->path : c->argv[0],
		.argv = c->argv,
		.envp = c->envp,
		.cwd = c->cwd,
		.before_exec = c->before_exec,
		.fds = fds,
		.n_fds = 3 + c->n_fds,
		.new_session = true,
		.die_with_parent = true,
	};
	CLEANUP(said_done) struct said out = { .io = NULL };
	CLEANUP(said_done) struct said err = { .io = NULL };
	int theirs[2] = { -1, -1 };
	int code;

	if (in < 0)
		return -1;
	if (said_init(&out, ret ? COMMAND_OUTPUT_MAX : SAID_MAX, &theirs[0], e) < 0 ||
	    said_init(&err, SAID_MAX, &theirs[1], e) < 0) {
		for (int i = 0; i < 2; i++)
			if (theirs[i] >= 0)
				(void)close(theirs[i]);
		return -1;
	}
	fds[0] = (struct child_fd){ in, 0 };
	fds[1] = (struct child_fd){ theirs[0], 1 };
	fds[2] = (struct child_fd){ theirs[1], 2 };
	for (size_t i = 0; i < c->n_fds; i++)
		fds[3 + i] = c->fds[i];
	if (run_child(&spec, theirs, &out, &err, d, &code, e) < 0)
		return -1;
	if (code != 0)
		return failed(name, code, err.len > 0 ? &err : &out, e);
	if (!ret)
		return 0;
	if (out.beyond)
		return err_set(e, ERR_EXHAUSTED, "%s said more than %u bytes", name,
			       COMMAND_OUTPUT_MAX);
	*ret = out.text ? take_ptr(out.text) : xstrdup("");
	if (ret_len)
		*ret_len = out.len;
	return 0;
}
