/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_VERITY_DM_H
#define HUSK_VERITY_DM_H

#include <sys/types.h>

#include "common/verity/verity.h"

/*
 * Between the files of common/verity only: the steps of mapping a device, by libdevmapper (dm.c)
 * or, for a program that is linked statically where there is no static library, by the kernel's own
 * interface (dm_ioctl.c). Each returns 0 or the errno of the kernel's answer.
 */

/* Before the others. */
int dm_prepare(void);

/* An empty device. *ret: its number. EBUSY: the name is in use. */
int dm_create(const char *name, dev_t *ret);

/* Its table: one verity target, read-only; not in force before dm_resume(). */
int dm_load(const char *name, uint64_t sectors, const char *table);
int dm_resume(const char *name);

/* EBUSY: in use, unless `deferred`: then it goes with its last user. ENXIO: there is none. */
int dm_remove(const char *name, bool deferred);

#endif
