/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_AGENT_CAPABILITIES_H
#define HUSK_AGENT_CAPABILITIES_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/cleanup.h"
#include "common/base/err.h"

/*
 * Sets of capabilities as masks: bit n is capability n of capabilities(7). The five sets of an OCI
 * process are applied in two steps, because the bounding set can be changed only while CAP_SETPCAP
 * is there and the others only after the change of user.
 */

/*
 * "CAP_SYS_ADMIN", ... to a mask. A name that libcap-ng or this kernel does not know is left out, and added
 * to *unknown (for strv_free()) once: a privileged container has all that the host's kernel knows,
 * and the specification wants a warning and no failure (runtime-spec, config.md, "Linux Process").
 */
uint64_t capabilities_parse(char *const *name, size_t n, char ***unknown) must_check;

/* Make effective what is permitted: a change of user empties the effective set. */
int capabilities_take_up(struct err *e) must_check;

/* Drop from the bounding set what is not in `keep`. */
int capabilities_bound(uint64_t keep, struct err *e) must_check;

/* capset(2) of the calling thread. */
int capabilities_set(uint64_t effective, uint64_t permitted, uint64_t inheritable, struct err *e)
	must_check;

/* Exactly these ambient ones; they must be permitted and inheritable. */
int capabilities_set_ambient(uint64_t ambient, struct err *e) must_check;

#endif
