/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_QEMU_TSC_H
#define HUSK_QEMU_TSC_H

#include <stdint.h>

#include "common/base/err.h"

/*
 * The frequency of this host's time stamp counter, which QEMU hands through to a guest that it
 * emulates. Such a guest measures it against emulated timers: where its processor does not run for a
 * few milliseconds between setting the timer and reading the counter, it takes the counter for
 * several times slower than it is, and its clock runs as many times too fast ever after. So it is told
 * (kernel parameter tsc_early_khz), and measured here, where two readings are enough: one before and
 * one after the other work of a start.
 */
struct tsc_reading {
	uint64_t cycles;
	int64_t ns; /* CLOCK_MONOTONIC */
};

void tsc_read(struct tsc_reading *ret);

/*
 * kHz, measured from `first` to now, or 0 on a machine without the counter. The fiber
 * sleeps when the two readings would be less than 4 ms apart, which keeps the error below a thousandth;
 * the guest refines from there by itself. Fails only with ERR_CANCELLED.
 */
int tsc_khz_since(const struct tsc_reading *first, uint32_t *ret, struct err *e) must_check;

#endif
