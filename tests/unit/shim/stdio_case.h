/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_TESTS_STDIO_CASE_H
#define HUSK_TESTS_STDIO_CASE_H

#include <stdbool.h>
#include <stdint.h>

#include "shim/io/stdio.h"
#include "tests/unit/shim/agent_peer.h"

/*
 * Three fifos and a scripted agent (agent_peer.h) for each test. One scenario runs at a time; its fiber
 * records here and the test judges afterwards.
 */
struct stdio_case {
	char dir[64];
	char *in, *out, *err; /* paths */
	struct peer peer;
	struct stdio_params params;
	struct err e;
	int result;
	uint64_t read_out, read_err;
	bool wrong, eof_out, eof_err, early_eof;
	int64_t ms;
	struct agent *agent;
	struct stdio *stdio;
	struct fiber_group clients;
	int64_t drain_ms;
};
extern struct stdio_case t;

int set_up(void **state);
int tear_down(void **state);

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

/* In a fiber. Open the streams of t.params (t.result) and attach them. */
void begin(void);
void end(void);

#endif
