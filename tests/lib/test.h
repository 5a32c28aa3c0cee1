/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_TESTS_TEST_H
#define HUSK_TESTS_TEST_H

/* cmocka with the headers it wants first, and assertions for this project's error convention. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/err.h"

/*
 * Milliseconds for what must come, on a machine that is busy with other things too: how long a broken
 * test hangs, never how soon something is expected. A test that must tell "at once" from "at its limit"
 * gives the limit this length and asks for less than AT_ONCE_MS.
 */
#define PATIENCE_MS 60000
#define AT_ONCE_MS  20000

/* For what must be quicker than something else of that order: once in so many measurements, each run whole. */
#define MEASUREMENTS 3

/* For a deadline that must pass, with steps before it that must not be cut short by it. */
#define GIVES_UP_MS 500

/* The call succeeded; if not, say what it said. */
#define assert_ok(call, e)                                    \
	do {                                                  \
		if ((call) < 0)                               \
			fail_msg("%s: %s", #call, (e)->text); \
	} while (0)

/* The call failed with this code, and its text contains `part`. */
#define assert_err(call, e, want_code, part)                                                  \
	do {                                                                                  \
		*(e) = ERR_INIT;                                                              \
		if ((call) >= 0)                                                              \
			fail_msg("%s succeeded", #call);                                      \
		if ((e)->code != (want_code))                                                 \
			fail_msg("%s: code %d, want %d: %s", #call, (int)(e)->code,           \
				 (int)(want_code), (e)->text);                                \
		if (!strstr((e)->text, (part)))                                               \
			fail_msg("%s: '%s' does not contain '%s'", #call, (e)->text, (part)); \
	} while (0)

/* The test test_<fn>, which is fn(NULL) in a fiber. For those that include common/async/fiber.h. */
#define IN_FIBER(fn)                        \
	static void test_##fn(void **state) \
	{                                   \
		(void)state;                \
		fiber_main(fn, NULL);       \
	}

#endif
