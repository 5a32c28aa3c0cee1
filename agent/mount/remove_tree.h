/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_AGENT_REMOVE_TREE_H
#define HUSK_AGENT_REMOVE_TREE_H

#include "common/base/cleanup.h"
#include "common/base/err.h"

/*
 * path_remove_tree() of an absolute path of the guest, on the worker pool: what a container wrote can be
 * a hundred thousand files, and the other containers' streams do not wait for that. In a fiber.
 */
int remove_tree(const char *path, struct err *e) must_check;

#endif
