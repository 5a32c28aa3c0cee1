/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_AGENT_DEVICE_NODE_H
#define HUSK_AGENT_DEVICE_NODE_H

#include <sys/types.h>

#include "common/base/cleanup.h"
#include "common/base/err.h"

/*
 * The path in the guest's devtmpfs of the device with that number, for free(); `type` is S_IFBLK or
 * S_IFCHR. NULL with ERR_NOT_FOUND: the kernel has none, or none with a node.
 */
char *device_node(mode_t type, dev_t number, struct err *e) must_check;

#endif
