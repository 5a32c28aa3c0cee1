/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_AGENT_TERMINAL_H
#define HUSK_AGENT_TERMINAL_H

#include <stdint.h>

#include "common/base/cleanup.h"
#include "common/base/err.h"

/*
 * A pair of the guest's own devpts, for the debug console (a container's process has one of its own
 * container's, see stage.h); both close-on-exec and the caller's. Not our own terminal.
 */
int terminal_open(int *ret_master, int *ret_slave, struct err *e) must_check;

/* Limits of struct winsize: ERR_INVALID beyond 65535. */
int terminal_resize(int master, uint32_t rows, uint32_t columns, struct err *e) must_check;

#endif
