/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_TESTS_STAGE_CASE_H
#define HUSK_TESTS_STAGE_CASE_H

#include <stdbool.h>

#include "tests/component/assert.h"
#include "tests/component/stage_harness.h"

/* A test with one container, made before it and taken down after it. */
extern struct stage_run run;

#define STAGE_CASE(test) \
	cmocka_unit_test_setup_teardown(test, stage_case_set_up, stage_case_tear_down)

int stage_case_set_up(void **state);
int stage_case_tear_down(void **state);

/* The program must return *ret_code from main(): it is the stage itself, or cannot test here. */
bool stage_case_is_over(int argc, char **argv, int *ret_code);

/* What the script says; fails with the stage's error if it does not get to run. */
const char *output_of(const char *script);
/* The stage refuses; `step` and a part of its text. */
void assert_refused(const char *step, const char *part);
void assert_has(const char *text, const char *part);

#endif
