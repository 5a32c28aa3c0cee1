/* SPDX-License-Identifier: Apache-2.0 */
/* The frequency of the time stamp counter; see tsc.h. */
#include "hypervisor/qemu/tsc.h"

#include <time.h>

#if defined(__x86_64__)
#	include <x86intrin.h>
#endif

#include "common/async/fiber.h"

#define APART_NS INT64_C(4000000)

#if defined(__x86_64__)

static int64_t clock_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* The clock read between two looks at the counter; of a few tries the one least disturbed. */
void tsc_read(struct tsc_reading *ret)
{
	uint64_t least = UINT64_MAX;

	for (int i = 0; i < 8; i++) {
		uint64_t before = __rdtsc();
		int64_t ns = clock_ns();
		uint64_t took = __rdtsc() - before;

		if (took >= least)
			continue;
		least = took;
		*ret = (struct tsc_reading){ .cycles = before + took / 2, .ns = ns };
	}
}

int tsc_khz_since(const struct tsc_reading *first, uint32_t *ret, struct err *e)
{
	struct tsc_reading now;

	tsc_read(&now);
	if (now.ns - first->ns < APART_NS) {
		if (fiber_sleep_ms((APART_NS - (now.ns - first->ns)) / 1000000 + 1, e) < 0)
			return -1;
		tsc_read(&now);
	}
	*ret = (uint32_t)((double)(now.cycles - first->cycles) * 1e6 /
			  (double)(now.ns - first->ns));
	return 0;
}

#else

void tsc_read(struct tsc_reading *ret)
{
	*ret = (struct tsc_reading){ 0 };
}

int tsc_khz_since(const struct tsc_reading *first, uint32_t *ret, struct err *e)
{
	(void)first;
	(void)e;
	*ret = 0;
	return 0;
}

#endif
