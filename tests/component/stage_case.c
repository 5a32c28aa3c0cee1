/* SPDX-License-Identifier: Apache-2.0 */
/* One container for each test; see stage_case.h. */
#include "tests/component/stage_case.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SKIPPED 77 /* of automake's test driver */

struct stage_run run;

int stage_case_set_up(void **state)
{
	(void)state;
	stage_run_init(&run);
	return 0;
}

int stage_case_tear_down(void **state)
{
	(void)state;
	stage_run_done(&run);
	return 0;
}

bool stage_case_is_over(int argc, char **argv, int *ret_code)
{
	if (stage_run_is_stage(argc, argv, ret_code))
		return true;
	if (geteuid() == 0 && access("/bin/busybox", X_OK) == 0)
		return false;
	(void)puts("skipped: needs root and /bin/busybox");
	*ret_code = SKIPPED;
	return true;
}

const char *output_of(const char *script)
{
	stage_run_shell(&run, script);
	stage_run_go(&run);
	if (run.error)
		print_error("%s\n", run.error);
	assert_null(run.error);
	assert_true(run.ready);
	return run.out;
}

void assert_has(const char *text, const char *part)
{
	if (!strstr(text, part))
		print_error("'%s' is not in:\n%s\n", part, text);
	assert_non_null(strstr(text, part));
}

void assert_refused(const char *step, const char *part)
{
	stage_run_go(&run);
	assert_false(run.ready);
	assert_non_null(run.error);
	assert_string_equal(run.step, step);
	assert_has(run.error, part);
}
