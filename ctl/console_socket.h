/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_CTL_CONSOLE_SOCKET_H
#define HUSK_CTL_CONSOLE_SOCKET_H

#include "common/base/err.h"
#include "config/config.h"

/*
 * The debug console of a sandbox (sandboxes_find() says what `name` may be): a shell at a terminal in its
 * guest. ERR_NOT_FOUND, with what to configure, if it was started without one. Returns the descriptor.
 */
int console_connect(const struct config *c, const char *name, struct err *e) must_check;

#endif
