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

#endif
