/* SPDX-License-Identifier: Apache-2.0 */
/* Log lines: both formats, escapes, levels, a reader that does not read. */
#include "tests/lib/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/log.h"

static int pipe_fds[2];
static char line[16384];

static int set_up(void **state)
{
	(void)state;
	return pipe2(pipe_fds, O_NONBLOCK | O_CLOEXEC);
}

static int tear_down(void **state)
{
	(void)state;
	log_init(STDERR_FILENO, LOG_FORMAT_TEXT, LOG_LEVEL_INFO);
	(void)close(pipe_fds[0]);
	(void)close(pipe_fds[1]);
	return 0;
}

static const char *logged(void)
{
	ssize_t n = read(pipe_fds[0], line, sizeof(line) - 1);

	line[n > 0 ? n : 0] = '\0';
	return line;
}

static void test_text(void **state)
{
	(void)state;
	log_init(pipe_fds[1], LOG_FORMAT_TEXT, LOG_LEVEL_INFO);
	log_set_context("sandbox", "s1");
	log_warn("say \"%s\"\n\x1b[2J", "hi");
	assert_non_null(strstr(logged(),
			       " level=warning msg=\"say \\\"hi\\\"\\n\\u001b[2J\" sandbox=s1\n"));
	log_set_context(NULL, NULL);
	log_info("x");
	assert_null(strstr(logged(), "sandbox"));
}

static void test_json(void **state)
{
	(void)state;
	log_init(pipe_fds[1], LOG_FORMAT_JSON, LOG_LEVEL_DEBUG);
	log_debug("back\\slash");
	assert_memory_equal(logged(), "{\"msg\":\"back\\\\slash\",\"level\":\"DEBG\",\"ts\":\"",
			    41);
	assert_string_equal(line + strlen(line) - 2, "}\n");
	/* JSON is UTF-8, a file's name is not. */
	log_debug("a\xff\xc3\xa9");
	assert_non_null(strstr(logged(), "{\"msg\":\"a?\xc3\xa9\","));
}

static void test_levels(void **state)
{
	(void)state;
	log_init(pipe_fds[1], LOG_FORMAT_TEXT, LOG_LEVEL_WARN);
	log_info("not this");
	log_debug("nor this");
	assert_string_equal(logged(), "");
	log_error("this");
	assert_non_null(strstr(logged(), "this"));
}

/* errno survives, and a full pipe loses lines instead of holding the program up. */
static void test_full_pipe(void **state)
{
	(void)state;
	log_init(pipe_fds[1], LOG_FORMAT_TEXT, LOG_LEVEL_INFO);
	errno = E2BIG;
	for (int i = 0; i < 3000; i++)
		log_info("a line that is long enough to fill the pipe before the loop ends: %d", i);
	assert_int_equal(errno, E2BIG);
}

static void keep(const char *text, void *arg)
{
	(void)snprintf(arg, 100, "%s", text);
}

static void test_tap(void **state)
{
	char seen[100] = "";

	(void)state;
	log_init(pipe_fds[1], LOG_FORMAT_TEXT, LOG_LEVEL_INFO);
	log_set_tap(keep, seen);
	log_info("tapped");
	log_set_tap(NULL, NULL);
	assert_non_null(strstr(seen, "msg=\"tapped\""));
	assert_null(strchr(seen, '\n'));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_text, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_json, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_levels, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_full_pipe, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_tap, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
