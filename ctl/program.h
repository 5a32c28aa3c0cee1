/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_CTL_PROGRAM_H
#define HUSK_CTL_PROGRAM_H

#include "common/base/cleanup.h"
#include "common/base/err.h"

/*
 * The first line that `path --version` prints, for free(). In a fiber; a program that has not
 * answered after a few seconds is killed, and that is ERR_TIMEOUT.
 */
int program_version(const char *path, char **ret, struct err *e) must_check;

#endif
