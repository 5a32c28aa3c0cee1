/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_CTL_SANDBOXES_H
#define HUSK_CTL_SANDBOXES_H

#include "common/base/err.h"
#include "common/base/mem.h"

/*
 * One line for each sandbox below `state_dir`, under a heading: what the shim wrote about it in
 * state.json, as far as it can be read. A directory without that file is listed too: it may be a
 * sandbox that is being made, or one that was left behind. No such state_dir: no sandboxes.
 */
int sandboxes_print(const char *state_dir, struct buf *ret, struct err *e) must_check;

#endif
