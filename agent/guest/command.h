/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_AGENT_GUEST_COMMAND_H
#define HUSK_AGENT_GUEST_COMMAND_H

#include "common/async/command.h"

/* Programs of the guest that the agent runs for itself: iptables, modprobe, resize2fs. */

/* Where it is, of /usr/sbin and /sbin; for free(). NULL with ERR_NOT_FOUND, which names it. */
char *command_find(const char *name, struct err *e) must_check;

#endif
