/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_AGENT_TERMINAL_H
#define HUSK_AGENT_TERMINAL_H

#include <stdint.h>

#include "common/base/cleanup.h"
#include "common/base/err.h"

/* Limits of struct winsize: ERR_INVALID beyond 65535. */
int terminal_resize(int master, uint32_t rows, uint32_t columns, struct err *e) must_check;

#endif
