/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_TESTS_HOTPLUG_CASE_H
#define HUSK_TESTS_HOTPLUG_CASE_H

#include "tests/unit/hypervisor/fake_qemu.h"

/* What the tests of plugging and unplugging begin with: one machine and some files. */

#define FILES     3
#define DAY_MS    86400000
#define INSTANTLY 5000 /* ms, in one of MEASUREMENTS; far below the ten seconds of a guest's time */

extern struct fake_qemu f;
extern struct hv_extent files[FILES];

int set_up(void **state); /* of a group of tests: makes the files */
void begin(const char *machine, const char *driver);

/* A disk of the first n files. */
int plug(size_t n, struct hv_device **ret, struct err *e) must_check;
struct hv_device *plugged(size_t n); /* which must succeed */
int unplug(struct hv_device *dev, int64_t ms, struct err *e) must_check;

/* QEMU and the driver have nothing of any device. */
void assert_nothing(const char *when, int n);

#endif
