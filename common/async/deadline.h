/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_ASYNC_DEADLINE_H
#define HUSK_ASYNC_DEADLINE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * A deadline is a point in time on the monotonic clock, set at the edge and passed down unchanged,
 * so that five steps of one request share one limit. Pass it by value.
 */
struct deadline {
	int64_t at_ms; /* CLOCK_MONOTONIC, milliseconds; INT64_MAX: never */
};

#define DEADLINE_NEVER ((struct deadline){ .at_ms = INT64_MAX })

struct deadline deadline_in_ms(int64_t ms); /* ms from now; 0: already over */
struct deadline deadline_min(struct deadline a, struct deadline b);
bool deadline_passed(struct deadline d);
int64_t deadline_left_ms(struct deadline d); /* at least 0; INT64_MAX for never */

/* The monotonic clock itself, for measuring. */
int64_t clock_now_ms(void);
int64_t clock_now_ns(void);

#endif
