/* SPDX-License-Identifier: Apache-2.0 */
/* Deadlines are points in time; see deadline.h. */
#include "common/async/deadline.h"

#include <time.h>

int64_t clock_now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t clock_now_ms(void)
{
	return clock_now_ns() / 1000000;
}

struct deadline deadline_in_ms(int64_t ms)
{
	int64_t at;

	if (__builtin_add_overflow(clock_now_ms(), ms < 0 ? 0 : ms, &at))
		return DEADLINE_NEVER;
	return (struct deadline){ .at_ms = at };
}

struct deadline deadline_min(struct deadline a, struct deadline b)
{
	return a.at_ms < b.at_ms ? a : b;
}

bool deadline_passed(struct deadline d)
{
	return d.at_ms != INT64_MAX && clock_now_ms() >= d.at_ms;
}

int64_t deadline_left_ms(struct deadline d)
{
	int64_t left;

	if (d.at_ms == INT64_MAX)
		return INT64_MAX;
	left = d.at_ms - clock_now_ms();
	return left > 0 ? left : 0;
}
