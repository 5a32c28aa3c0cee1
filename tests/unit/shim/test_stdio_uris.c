/* SPDX-License-Identifier: Apache-2.0 */
/* Standard streams that are no fifos: files, logging programs, and what cannot be opened. */
#include "tests/lib/test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "tests/unit/shim/stdio_case.h"

static void run_to_end(void *arg)
{
	(void)arg;
	begin();
	if (t.result == 0)
		stdio_drain(t.stdio, deadline_in_ms(PATIENCE_MS));
	end();
}

static void test_file_takes_both(void **state)
{
	auto_free char *path = path_join(t.dir, "logs/today/c1.log");
	auto_free char *uri = xasprintf("file://%s", path);
	struct stat st;

	(void)state;
	t.params.stdout_uri = uri;
	t.params.stderr_uri = t.err;
	t.peer.out.total = 1000;
	t.peer.err.total = 500;
	fiber_main(run_to_end, NULL);
	assert_int_equal(t.result, 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 1500);
	assert_int_equal(st.st_mode & 0777, 0644);
}

static char *write_logger(const char *script)
{
	char *path = path_join(t.dir, "logger");
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);

	assert_true(fd >= 0);
	assert_int_equal(write_all(fd, script, strlen(script)), 0);
	(void)close(fd);
	return path;
}

static void test_logging_program(void **state)
{
	auto_free char *program =
		write_logger("#!/bin/sh\n"
			     "echo \"$CONTAINER_NAMESPACE/$CONTAINER_ID $*\" >$2.args\n"
			     "echo >&5\nexec 5>&-\n"
			     "cat <&4 >$2.err & cat <&3 >$2.out; wait\n");
	auto_free char *base = path_join(t.dir, "log");
	auto_free char *uri = xasprintf("binary-v2://%s?to=%s&x=a%%20b", program, base);
	auto_free char *want = xasprintf("default/c1 to %s x a b", base);
	auto_free char *args_file = xasprintf("%s.args", base);
	auto_free char *out_file = xasprintf("%s.out", base);
	auto_free char *args = NULL;
	struct err e = ERR_INIT;
	struct stat st;

	(void)state;
	t.params.stdout_uri = t.params.stderr_uri = uri;
	t.peer.out.total = 300000;
	t.peer.err.total = 10;
	fiber_main(run_to_end, NULL); /* ends when the logging program has */
	if (t.result < 0)
		fail_msg("%s", t.e.text);
	assert_ok(file_read_line(AT_FDCWD, args_file, &args, &e), &e);
	assert_string_equal(args, want);
	assert_int_equal(stat(out_file, &st), 0);
	assert_int_equal(st.st_size, 300000);
}

static void test_logging_program_not_ready(void **state)
{
	auto_free char *program = write_logger("#!/bin/sh\nexit 0\n");
	auto_free char *lax = xasprintf("binary://%s", program);
	auto_free char *strict = xasprintf("binary-v2://%s", program);

	(void)state;
	t.params.stdout_uri = t.params.stderr_uri = strict;
	fiber_main(run_to_end, NULL);
	assert_int_equal(t.result, -1);
	assert_non_null(strstr(t.e.text, "ended without being ready"));
	assert_int_equal(t.e.code, ERR_UNAVAILABLE);

	memset(&t.peer, 0, sizeof(t.peer));
	t.stdio = NULL;
	t.params.stdout_uri = t.params.stderr_uri = lax;
	fiber_main(run_to_end, NULL);
	assert_int_equal(t.result, 0);
}

static void test_what_cannot_be_opened(void **state)
{
	static const struct {
		const char *in, *out, *err, *part;
	} rows[] = {
		{ "", "/nonexistent/fifo", "", "/nonexistent/fifo" },
		{ "/nonexistent/in", "", "", "/nonexistent/in" },
		{ "file:///tmp/x", "", "", "is no fifo" },
		{ "", "ttrpc+unix:///s?streaming_id=1", "", "only fifo, file and binary" },
		{ "", "binary:///nonexistent/logger", "", "logging program" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		memset(&t.peer, 0, sizeof(t.peer));
		t.e = ERR_INIT;
		t.params.stdin_uri = rows[i].in;
		t.params.stdout_uri = rows[i].out;
		t.params.stderr_uri = rows[i].err;
		fiber_main(run_to_end, NULL);
		assert_int_equal(t.result, -1);
		if (!strstr(t.e.text, rows[i].part))
			fail_msg("'%s' does not contain '%s'", t.e.text, rows[i].part);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_file_takes_both),
		CASE(test_logging_program),
		CASE(test_logging_program_not_ready),
		CASE(test_what_cannot_be_opened),
	};

	(void)alarm(600); /* a stream that hangs fails the test */
	return cmocka_run_group_tests_name("stdio uris", tests, NULL, NULL);
}
