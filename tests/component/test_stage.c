/* SPDX-License-Identifier: Apache-2.0 */
/* What a container's process finds: ids, limits, mounts, confinement, errors. Needs root. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/mem.h"
#include "tests/component/assert.h"
#include "tests/component/stage_harness.h"

static struct stage_run run;

static int set_up(void **state)
{
	(void)state;
	stage_run_init(&run);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	stage_run_done(&run);
	return 0;
}

/* Runs the script; fails with the stage's error if it does not get to run. */
static const char *output_of(const char *script)
{
	stage_run_shell(&run, script);
	stage_run_go(&run);
	if (run.error)
		print_error("%s\n", run.error);
	assert_null(run.error);
	assert_true(run.ready);
	return run.out;
}

__attribute__((unused)) static void assert_has(const char *text, const char *part)
{
	if (!strstr(text, part))
		print_error("'%s' is not in:\n%s\n", part, text);
	assert_non_null(strstr(text, part));
}

static void runs_a_program(void **state)
{
	(void)state;
	assert_string_equal(output_of("echo hello; exit 7"), "hello\n");
	assert_int_equal(run.code, 7);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(runs_a_program, set_up, tear_down),
	};
	int code;

	if (stage_run_is_stage(argc, argv, &code))
		return code;
	if (geteuid() != 0 || access("/bin/busybox", X_OK) < 0) {
		(void)puts("skipped: needs root and /bin/busybox");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
