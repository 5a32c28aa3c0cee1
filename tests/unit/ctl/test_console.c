/* SPDX-License-Identifier: Apache-2.0 */
/* huskctl console and exec, the program, against a console socket made here. */
#include "tests/lib/test.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "common/net/unix.h"

static struct {
	char dir[64];
	char *config; /* names dir as the state directory */
	int listener;
	pid_t pid;
	int input, output; /* of huskctl; its errors go to the output, too */
} t;

static int set_up(void **state)
{
	struct err e = ERR_INIT;
	auto_free char *run_dir = NULL;
	auto_free char *socket = NULL;
	FILE *f;

	(void)state;
	memset(&t, 0, sizeof(t));
	t.listener = t.input = t.output = -1;
	(void)snprintf(t.dir, sizeof(t.dir), "/tmp/husk-console-XXXXXX");
	if (!mkdtemp(t.dir))
		return -1;
	run_dir = path_join(t.dir, "ns/box/vm");
	socket = path_join(run_dir, "console.sock");
	t.config = path_join(t.dir, "c.toml");
	f = fopen(t.config, "we");
	if (!f)
		return -1;
	fprintf(f, "[runtime]\nstate_dir = \"%s\"\n", t.dir);
	(void)fclose(f);
	if (path_mkdirs(run_dir, 0700, &e) < 0)
		return -1;
	t.listener = unix_listen(socket, &e);
	return t.listener < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	(void)close(t.listener);
	(void)close(t.input);
	(void)close(t.output);
	free(t.config);
	return path_remove_tree(AT_FDCWD, t.dir, &e);
}

/* `word`: of exec; NULL: console. */
static void start_with(const char *sandbox, const char *word)
{
	int in[2], out[2];

	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	t.pid = fork();
	assert_true(t.pid >= 0);
	if (t.pid == 0) {
		(void)dup2(in[0], STDIN_FILENO);
		(void)dup2(out[1], STDOUT_FILENO);
		(void)dup2(out[1], STDERR_FILENO);
		(void)execl("./huskctl", "huskctl", "--config", t.config, word ? "exec" : "console",
			    sandbox, word, (char *)NULL);
		_exit(127);
	}
	(void)close(in[0]);
	(void)close(out[1]);
	t.input = in[1];
	t.output = out[0];
}

static void start(const char *sandbox)
{
	start_with(sandbox, NULL);
}

static void wait_readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
}

/* All that comes until the end must be `text`; less than a pipe holds. */
static void want_rest(int fd, const char *text)
{
	char got[512];
	ssize_t n;

	wait_readable(fd);
	n = read_full(fd, got, sizeof(got) - 1);
	assert_true(n >= 0);
	got[n] = '\0';
	if (!strstr(got, text))
		fail_msg("'%s' does not contain '%s'", got, text);
}

static int exit_code(void)
{
	int status;

	assert_int_equal(waitpid(t.pid, &status, 0), t.pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Both ways, with the script's input ending before the last of the output. */
static void test_conversation(void **state)
{
	auto_close int console = -1;

	(void)state;
	start("ns/box");
	wait_readable(t.listener);
	console = accept4(t.listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(console >= 0);
	assert_int_equal(write_all(t.input, "id\x1dx\n", 5), 0); /* no terminal: 0x1d is text */
	(void)close(t.input);
	t.input = -1;
	want_rest(console, "id\x1dx\n");
	assert_int_equal(write_all(console, "uid=0\n", 6), 0);
	assert_int_equal(shutdown(console, SHUT_RDWR), 0);
	want_rest(t.output, "uid=0\n");
	assert_int_equal(exit_code(), 0);
}

static void want_failure(const char *sandbox, const char *text)
{
	start(sandbox);
	want_rest(t.output, text);
	assert_int_equal(exit_code(), 1);
}

static void test_no_such_sandbox(void **state)
{
	(void)state;
	want_failure("other", "huskctl: no sandbox 'other' below /tmp/husk-console-");
}

static void test_bad_name(void **state)
{
	(void)state;
	want_failure("../box", "huskctl: namespace '..' is not a valid identifier");
}

static void test_no_console(void **state)
{
	auto_free char *socket = path_join(t.dir, "ns/box/vm/console.sock");

	(void)state;
	assert_int_equal(unlink(socket), 0);
	want_failure("box", "huskctl: sandbox 'box' has no console (no /tmp/husk-console-");
}

/* The guest's side of `huskctl exec box 'it'\''s'`: says `format`, in which %1$s is the number in the marks. */
static void answer(const char *format)
{
	auto_close int console = -1;
	auto_free char *text = NULL;
	char typed[512] = "", number[17] = "";
	const char *begin;
	size_t len = 0;

	start_with("box", "it's");
	wait_readable(t.listener);
	console = accept4(t.listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(console >= 0);
	while (!strchr(typed, '\n')) {
		assert_true(len < sizeof(typed) - 1);
		assert_int_equal(read(console, typed + len++, 1), 1);
	}
	assert_non_null(strstr(typed, "; 'it'\\''s' </dev/null; "));
	begin = strstr(typed, "husk- begin-");
	assert_non_null(begin);
	memcpy(number, begin + strlen("husk- begin-"), sizeof(number) - 1);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	text = xasprintf(format, number);
#pragma GCC diagnostic pop
	/* A piece at a time, as a terminal may have it. */
	for (const char *c = text; *c != '\0'; c++)
		if (send(console, c, 1, MSG_NOSIGNAL) < 0)
			break;
}

static void test_command(void **state)
{
	(void)state;
	answer("guest# printf '%%s%%s' husk- begin-%1$s; it's\r\nhusk-begin-%1$s\r\n"
	       "one\r\ntwo\r\r\nhusk-end-0 husk-end-%1$s 3\r\nguest# ");
	want_rest(t.output, "one\ntwo\r\nhusk-end-0 ");
	assert_int_equal(exit_code(), 3);
}

static void want_bad_answer(const char *format, const char *text)
{
	answer(format);
	want_rest(t.output, text);
	assert_int_equal(exit_code(), 1);
}

static void test_no_shell(void **state)
{
	(void)state;
	want_bad_answer("husk-agent: no shell here\r\n", "huskctl: husk-agent: no shell here\n");
}

static void test_console_ends(void **state)
{
	(void)state;
	want_bad_answer("husk-begin-%1$s\r\nhalf", "huskctl: the console ended before");
}

static void test_code_of_a_liar(void **state)
{
	(void)state;
	want_bad_answer("husk-begin-%1$s\r\nhusk-end-%1$s 256\r\n",
			"huskctl: the guest's shell says '256' for an exit code");
}

static void test_line_without_an_end(void **state)
{
	static const char *const beginnings[] = { "husk-begin-%1$s",
						  "husk-begin-%1$s\r\nhusk-end-%1$s 3" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(beginnings); i++) {
		auto_buf struct buf text = BUF_INIT;

		buf_addf(&text, "%s", beginnings[i]);
		for (int k = 0; k < 20000; k++)
			buf_add(&text, "3", 1);
		want_bad_answer(text.data,
				"huskctl: the guest's console says a line without an end");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_conversation, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_no_such_sandbox, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_bad_name, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_no_console, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_command, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_no_shell, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_console_ends, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_code_of_a_liar, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_line_without_an_end, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
