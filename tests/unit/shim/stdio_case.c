/* SPDX-License-Identifier: Apache-2.0 */
/* Streams for each test; see stdio_case.h. */
#include "tests/unit/shim/stdio_case.h"

#include "tests/lib/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "common/base/path.h"

struct stdio_case t;

static char *make_fifo(const char *name)
{
	char *path = path_join(t.dir, name);

	assert_int_equal(mkfifo(path, 0700), 0);
	return path;
}

int set_up(void **state)
{
	(void)state;
	memset(&t, 0, sizeof(t));
	(void)snprintf(t.dir, sizeof(t.dir), "/tmp/husk-stdio-XXXXXX");
	if (!mkdtemp(t.dir))
		return -1;
	t.in = make_fifo("stdin");
	t.out = make_fifo("stdout");
	t.err = make_fifo("stderr");
	t.params = (struct stdio_params){
		.ns = "default",
		.id = "c1",
		.exec_id = "",
		.stdin_uri = "",
		.stdout_uri = t.out,
		.stderr_uri = t.err,
	};
	return 0;
}

int tear_down(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	free(t.in);
	free(t.out);
	free(t.err);
	return path_remove_tree(AT_FDCWD, t.dir, &e);
}

void begin(void)
{
	t.agent = peer_start(&t.peer);
	t.result = stdio_open(&t.params, deadline_in_ms(PATIENCE_MS), &t.stdio, &t.e);
	if (t.result < 0)
		return;
	stdio_attach(t.stdio, t.agent);
}

void end(void)
{
	stdio_free(t.stdio);
	fiber_group_wait(&t.clients);
	agent_free(t.agent);
	peer_wait(&t.peer);
}
