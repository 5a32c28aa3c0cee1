/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_SHIM_BUNDLE_H
#define HUSK_SHIM_BUNDLE_H

#include <sys/types.h>

#include "common/base/err.h"

/* The bundle directory that containerd makes for each task (containerd-shim.md 1.10, 1.11). */

/*
 * The id of the group that a task shares a shim with, from the annotations in config.json: its pod's
 * sandbox, or else its own id. Without a config.json (the sandbox API) it is its own. For free().
 */
int bundle_group_id(const char *bundle, const char *id, char **ret, struct err *e) must_check;

/* `address`: containerd 1.6 and 1.7 find the shim by it after their restart. */
int bundle_write_address(const char *bundle, const char *socket_path, struct err *e) must_check;
int bundle_write_pid(const char *bundle, pid_t shim, struct err *e) must_check;

/* The socket's path that `address` holds, for free(); NULL where there is none. */
char *bundle_read_address(const char *bundle) must_check;

/*
 * The fifo `log`, which containerd copies to its own log. Opened for reading too: so it stays open
 * over a restart of containerd, which finds in it what was written meanwhile, and writing never gives
 * EPIPE. Never blocks: what does not fit is lost. -1 if there is none (a person runs the shim).
 */
int bundle_open_log(const char *bundle) must_check;

#endif
