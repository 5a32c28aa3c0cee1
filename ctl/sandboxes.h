/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_CTL_SANDBOXES_H
#define HUSK_CTL_SANDBOXES_H

#include "common/base/err.h"
#include "common/base/mem.h"

/*
 * One line for each sandbox below `state_dir`, under a heading: what <id>/state.json and
 * <id>/vm/processes.json (hypervisor/record.h) say, as far as they can be read. A directory without
 * them is listed too: it may be a sandbox that is being made, or one that was left behind. No such
 * state_dir: no sandboxes.
 *
 *	state.json: {"namespace":"k8s.io","shim_pid":4710,"vmm_pid":4711,"started":1767323045}
 *
 * All of it is optional; `started` is in seconds since 1970 or a text that is shown as it stands.
 */
int sandboxes_print(const char *state_dir, struct buf *ret, struct err *e) must_check;

#endif
