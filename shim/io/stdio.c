/* SPDX-License-Identifier: Apache-2.0 */
/* The standard streams of one process, opened and closed together; copying is in copy.c. */
#include "shim/io/stdio.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "shim/io/copy.h"
#include "shim/io/logger.h"
#include "shim/io/uri.h"

struct stdio {
	struct copy_process process;
	struct copy_input in;
	struct copy_output out, err;
	struct logger *logger;
	bool attached, has_stderr;
};

static int open_input(struct stdio *s, const struct stdio_params *p, struct err *e)
{
	auto_uri struct uri uri = URI_INIT;

	if (uri_parse(p->stdin_uri, &uri, e) < 0)
		return -1;
	if (uri.scheme == URI_NONE)
		return 0;
	if (uri.scheme != URI_FIFO)
		return err_set(e, ERR_INVALID, "stdin '%.200s' is no fifo", p->stdin_uri);
	return endpoint_open_input(uri.path, &s->in.from, e);
}

/* The scheme of standard output decides for both outputs (containerd-shim 4.3). */
static int open_outputs(struct stdio *s, const struct stdio_params *p, struct deadline d,
			struct err *e)
{
	const char *first = *p->stdout_uri || p->terminal ? p->stdout_uri : p->stderr_uri;
	auto_uri struct uri uri = URI_INIT, err_uri = URI_INIT;

	if (uri_parse(first, &uri, e) < 0)
		return -1;
	switch (uri.scheme) {
	case URI_NONE:
		return 0;
	case URI_BINARY:
	case URI_BINARY_V2:
		return logger_start(&uri, p->ns, p->id, d, &s->logger, &s->out.to, &s->err.to, e);
	case URI_FILE:
		if (*p->stdout_uri && endpoint_open_file(uri.path, &s->out.to, e) < 0)
			return -1;
		return s->has_stderr ? endpoint_open_file(uri.path, &s->err.to, e) : 0;
	case URI_FIFO:
	default:
		break;
	}
	if (*p->stdout_uri && endpoint_open_output(uri.path, d, &s->out.to, e) < 0)
		return -1;
	if (!s->has_stderr || !*p->stderr_uri)
		return 0;
	if (uri_parse(p->stderr_uri, &err_uri, e) < 0)
		return -1;
	if (err_uri.scheme != URI_FIFO)
		return err_set(e, ERR_INVALID, "stderr '%.200s' is no fifo as stdout is",
			       p->stderr_uri);
	return endpoint_open_output(err_uri.path, d, &s->err.to, e);
}

int stdio_open(const struct stdio_params *p, struct deadline d, struct stdio **ret, struct err *e)
{
	struct stdio *s = xnew(struct stdio);

	s->process = (struct copy_process){ .id = xstrdup(p->id),
					    .exec_id = xstrdup(p->exec_id),
					    .terminal = p->terminal };
	s->has_stderr = !p->terminal;
	copy_input_init(&s->in, &s->process);
	copy_output_init(&s->out, &s->process, AGENT_STDOUT);
	copy_output_init(&s->err, &s->process, AGENT_STDERR);
	if (open_input(s, p, e) < 0 || open_outputs(s, p, d, e) < 0) {
		stdio_free(s);
		return err_wrap(e, "open standard streams");
	}
	*ret = s;
	return 0;
}

void stdio_attach(struct stdio *s, struct agent *a)
{
	s->process.agent = a;
	s->attached = true;
	copy_input_start(&s->in);
	copy_output_start(&s->out);
	if (s->has_stderr)
		copy_output_start(&s->err);
}

void stdio_close_stdin(struct stdio *s)
{
	copy_input_close_writer(&s->in);
}

void stdio_drain(struct stdio *s, struct deadline d)
{
	copy_input_stop(&s->in);
	if (s->attached) {
		copy_output_wait(&s->out, d);
		if (s->has_stderr)
			copy_output_wait(&s->err, d);
	}
	copy_output_stop(&s->out);
	copy_output_stop(&s->err);
	logger_finish(take_ptr(s->logger));
}

void stdio_free(struct stdio *s)
{
	if (!s)
		return;
	copy_input_stop(&s->in);
	copy_output_stop(&s->out);
	copy_output_stop(&s->err);
	logger_finish(s->logger);
	free(s->process.id);
	free(s->process.exec_id);
	free(s);
}
