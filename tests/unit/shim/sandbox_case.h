/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_TESTS_SANDBOX_CASE_H
#define HUSK_TESTS_SANDBOX_CASE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "shim/sandbox/sandbox.h"
#include "tests/unit/shim/fake_hv.h"

/*
 * Sandboxes with a scripted machine and agent (fake_hv.h) in a tmpfs for each test, in a mount namespace of
 * the group's own. Needs root; otherwise the tests skip themselves. What a sandbox leaves is a failure.
 */
#define SANDBOX_VOLUME "/etc/passwd" /* of the container, in the text of sandbox_case.c */

struct sandbox_case {
	bool skip;
	pid_t pid; /* of the test, in the name of its cgroup */
	char dir[64];
	char *state_dir, *bundle;
	struct oci_spec *spec;
	struct config config;
	/* By the scenario in its fiber, for the test to judge. */
	struct err e, why;
	int result, second;
	int64_t ms;
	bool ok; /* what the scenario checked by itself */
};
extern struct sandbox_case t;

int group_set_up(void **state);
int group_tear_down(void **state);
int set_up(void **state);
int tear_down(void **state);

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

unsigned count_entries(const char *path);
bool is_mounted_below(const char *path);
bool cgroups_are_left(void);
void check_nothing_left(void);

/* The sandbox "s1", and the container "c1" in it. */
int start(struct sandbox **ret, struct err *e);
int create(struct sandbox *s, struct sandbox_container **ret, struct err *e);

/* Scenarios: start and end it, with a container and without. */
void whole_life(void *arg);
void start_only(void *arg); /* t.ms: how long the start took */

#endif
