/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_SHIM_BOOTSTRAP_H
#define HUSK_SHIM_BOOTSTRAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bootstrap.pb-c.h"
#include "common/base/err.h"
#include "google/protobuf/any.pb-c.h"

/*
 * What containerd writes to the standard input of `start` (containerd-shim.md 1.4): nothing, one
 * encoded Any with the runtime options (up to 2.2), or BootstrapParams (from 2.3 on).
 *
 * The two messages decode as each other without an error, so bytes are taken for BootstrapParams
 * only if they name the very id and namespace of the command line. What is neither is ignored: the
 * options come again with Create, and unknown ones must not fail a start.
 */
struct bootstrap {
	Containerd__Runtime__Bootstrap__V1__BootstrapParams
		*params;                /* NULL: none, or an older one */
	Google__Protobuf__Any *options; /* NULL: none. With params it points into them */
};

#define BOOTSTRAP_INIT      ((struct bootstrap){ .params = NULL })
#define BOOTSTRAP_MAX_BYTES (4u << 20) /* of standard input: what one ttrpc message can be */

void bootstrap_decode(const uint8_t *input, size_t len, const char *id, const char *ns,
		      struct bootstrap *ret);
void bootstrap_done(struct bootstrap *b);
#define auto_bootstrap CLEANUP(bootstrap_done)

/*
 * What `start` prints. Every containerd takes the bare address, which means version 2. One that sent
 * BootstrapParams also takes JSON, and with it version 3. For free().
 */
char *bootstrap_answer(const struct bootstrap *b, const char *socket_path) must_check;

#endif
