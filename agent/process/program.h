/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_AGENT_PROGRAM_H
#define HUSK_AGENT_PROGRAM_H

#include "common/base/cleanup.h"
#include "common/base/err.h"

/*
 * What exec is to be called with for `name`, as the shells find it: with a '/' in it as it stands,
 * otherwise the first executable of that name in a directory of PATH, taken from `env`. For free().
 *
 * The texts of the errors are those that users of containerd know:
 *   exec: "foo": executable file not found in $PATH
 *   exec: "/x": no such file or directory
 *   exec: "/x": permission denied
 *   exec: "/x": is a directory
 */
char *program_find(const char *name, char *const *env, struct err *e) must_check;

#endif
