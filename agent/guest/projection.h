/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_AGENT_GUEST_PROJECTION_H
#define HUSK_AGENT_GUEST_PROJECTION_H

#include "common/base/cleanup.h"
#include "common/base/err.h"
#include "husk.pb-c.h"

/*
 * Volumes as a kubelet's atomic writer lays them out: a directory for each set of files, a link ..data to
 * the one that is shown, and for each name in that a link through ..data. Whoever opens a file finds that of
 * one set or of the other, as it is whole. These block; they may run on a worker thread.
 *
 * Nothing outside `root`/<volume> is touched, whatever lies in it: nothing in there is followed.
 */

/*
 * Show the files of `req` in the volume, which is made if it is not there. *ret_old: the set that was shown
 * before and is there still, for projection_remove_set() and free(), or NULL; also when the call fails. A
 * failure before the new set is shown leaves what was there. ERR_INVALID: a name that is none.
 */
int projection_put(const char *root, const Husk__PutRequest *req, char **ret_old, struct err *e)
	must_check;

int projection_remove_set(const char *root, const char *volume, const char *set, struct err *e)
	must_check;

#endif
