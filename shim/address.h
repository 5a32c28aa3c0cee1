/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_SHIM_ADDRESS_H
#define HUSK_SHIM_ADDRESS_H

#include <stdbool.h>

#include "common/base/err.h"

/* The convention for a shim's socket (containerd-shim.md 1.7). */
#define ADDRESS_DEFAULT_DIR "/run/containerd/s"

/*
 * `<dir>/<SHA-256 of address/ns/id>` in lower-case hex, for free(). The three are joined and cleaned
 * as Go's filepath.Join does it, so that a retry, and the shim of another implementation, find the
 * same path. `id` is the group's: the containers of a pod share one socket.
 */
char *address_socket_path(const char *dir, const char *grpc_address, const char *ns, const char *id)
	must_check;

/* Does somebody listen there? Waits 100 ms at most. */
bool address_answers(const char *socket_path) must_check;

#endif
