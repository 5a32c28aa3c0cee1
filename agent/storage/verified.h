/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_AGENT_VERIFIED_H
#define HUSK_AGENT_VERIFIED_H

#include "agent/storage/storage.h"
#include "common/verity/verity.h"

/*
 * Map a disk or a partition through dm-verity, for this user; *ret_node, for free(), is to be mounted
 * read-only in its place. Taking it away again goes on *teardown. One at a time, on a worker (mapped.h).
 */
int verified_open(const struct verity_params *p, const char *node, const struct storage_user *user,
		  struct undo *teardown, char **ret_node, struct err *e) must_check;

#endif
