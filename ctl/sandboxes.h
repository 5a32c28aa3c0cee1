/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_CTL_SANDBOXES_H
#define HUSK_CTL_SANDBOXES_H

#include "common/base/err.h"
#include "common/base/mem.h"

/*
 * One line for each sandbox below `state_dir`, under a heading: what <namespace>/<id>/state.json and
 * <namespace>/<id>/vm/processes.json (hypervisor/record.h) say, as far as they can be read. A directory without
 * them is listed too: it may be a sandbox that is being made, or one that was left behind. No such
 * state_dir: no sandboxes.
 *
 *	state.json: {"shim_pid":4710,"vmm_pid":4711,"started":1767323045}
 *
 * All of it is optional; `started` is in seconds since 1970 or a text that is shown as it stands.
 */
int sandboxes_print(const char *state_dir, struct buf *ret, struct err *e) must_check;

/*
 * The directory of a sandbox, for free(). `name` is its id, or "<namespace>/<id>": needed where two
 * namespaces have the same id, which is ERR_INVALID otherwise. ERR_NOT_FOUND if there is none.
 */
int sandboxes_find(const char *state_dir, const char *name, char **ret_dir, struct err *e)
	must_check;

/* The path of the socket that the shim of the sandbox in this directory serves, for free(). */
int sandboxes_socket(const char *dir, char **ret, struct err *e) must_check;

#endif
