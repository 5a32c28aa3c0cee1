/* SPDX-License-Identifier: Apache-2.0 */
/* Programs that are run to their end: what they say, and how much of it is kept. */
#include "tests/lib/test.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "common/async/command.h"
#include "common/async/fiber.h"
#include "common/base/mem.h"

static struct {
	const char *script;
	const char *input;
	bool want_output;
	int64_t patience_ms;
	struct err e;
	char *out;
	size_t len;
	int r;
} seen;

static int reset(void **state)
{
	(void)state;
	memset(&seen, 0, sizeof(seen));
	return 0;
}

static int done(void **state)
{
	(void)state;
	free(seen.out);
	return 0;
}

static void run_script(void *arg)
{
	const char *const argv[] = { "/bin/sh", "-c", seen.script, NULL };
	const struct command c = { .argv = argv,
				   .input = seen.input,
				   .input_len = seen.input ? strlen(seen.input) : 0 };

	(void)arg;
	seen.r = command_run(&c, deadline_in_ms(seen.patience_ms),
			     seen.want_output ? &seen.out : NULL, &seen.len, &seen.e);
}

static void output_of(const char *script)
{
	seen.script = script;
	seen.want_output = true;
	seen.patience_ms = PATIENCE_MS;
	fiber_main(run_script, NULL);
}

static void assert_fails(const char *script, const char *text)
{
	(void)reset(NULL);
	seen.script = script;
	seen.patience_ms = PATIENCE_MS;
	fiber_main(run_script, NULL);
	assert_int_equal(seen.r, -1);
	assert_int_equal(seen.e.code, ERR_INTERNAL);
	assert_string_equal(seen.e.text, text);
}

static void gives_the_output(void **state)
{
	(void)state;
	seen.input = "in";
	output_of("cat; echo; echo unheard >&2");
	assert_int_equal(seen.r, 0);
	assert_string_equal(seen.out, "in\n");
	assert_int_equal(seen.len, 3);
	(void)done(state);
	(void)reset(state);
	output_of(":");
	assert_int_equal(seen.r, 0);
	assert_string_equal(seen.out, "");
	assert_int_equal(seen.len, 0);
}

static void output_has_a_limit(void **state)
{
	(void)state;
	output_of("head -c 4194304 /dev/zero");
	assert_int_equal(seen.r, 0);
	assert_int_equal(seen.len, COMMAND_OUTPUT_MAX);
	(void)done(state);
	(void)reset(state);
	output_of("head -c 4194305 /dev/zero");
	assert_int_equal(seen.r, -1);
	assert_int_equal(seen.e.code, ERR_EXHAUSTED);
	assert_null(seen.out);
}

static void failure_has_what_it_said(void **state)
{
	(void)state;
	assert_fails("echo out; echo err >&2; exit 3", "sh ended with code 3: err");
	assert_fails("echo out; echo; exit 3", "sh ended with code 3: out");
	assert_fails("exit 3", "sh ended with code 3: it said nothing");
	assert_fails("echo; exit 3", "sh ended with code 3: it said nothing");
	/* The beginning, however much comes behind it. */
	assert_fails("echo why >&2; head -c 8388608 /dev/zero >&2; exit 3",
		     "sh ended with code 3: why");
}

/* Nor does it fill our memory while it runs. */
static void keeps_no_more_than_the_limit(void **state)
{
	(void)state;
	output_of("head -c 33554432 /dev/zero >&2; stat -L -c %s /proc/self/fd/2");
	assert_int_equal(seen.r, 0);
	assert_true(strtoull(seen.out, NULL, 10) <= COMMAND_OUTPUT_MAX);
}

/* What has its streams and goes on, even writing, is not waited for. */
static void does_not_wait_for_what_it_left(void **state)
{
	pid_t left;

	(void)state;
	output_of("(trap '' PIPE; exec sleep 300) & echo $!");
	assert_int_equal(seen.r, 0);
	left = (pid_t)strtol(seen.out, NULL, 10);
	assert_true(left > 1);
	assert_int_equal(kill(left, SIGKILL), 0);
	(void)done(state);
	(void)reset(state);
	output_of("for i in 1 2 3 4; do yes >&2 & done; sleep 0.2; echo said");
	assert_int_equal(seen.r, 0);
	assert_string_equal(seen.out, "said\n");
}

static void ends_at_its_deadline(void **state)
{
	(void)state;
	seen.script = "exec sleep 300";
	seen.patience_ms = 200;
	fiber_main(run_script, NULL);
	assert_int_equal(seen.r, -1);
	assert_int_equal(seen.e.code, ERR_TIMEOUT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(gives_the_output, reset, done),
		cmocka_unit_test_setup_teardown(output_has_a_limit, reset, done),
		cmocka_unit_test_setup_teardown(failure_has_what_it_said, reset, done),
		cmocka_unit_test_setup_teardown(keeps_no_more_than_the_limit, reset, done),
		cmocka_unit_test_setup_teardown(does_not_wait_for_what_it_left, reset, done),
		cmocka_unit_test_setup_teardown(ends_at_its_deadline, reset, done),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
