/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_BASE_ID_H
#define HUSK_BASE_ID_H

#include <stdbool.h>

#include "common/base/cleanup.h"
#include "common/base/err.h"

/*
 * Identifiers of sandboxes, containers, execs and namespaces. containerd's rule (pkg/identifiers):
 * at most 76 bytes of [A-Za-z0-9], joined by single '.', '_' or '-'. An id that passes can be part
 * of a path, of JSON and of a command line as it is.
 */
#define ID_MAX 76

bool id_valid(const char *id);

/* ERR_INVALID with "<what> '<id>' is not a valid identifier" unless it is. */
int id_check(const char *what, const char *id, struct err *e) must_check;

#endif
