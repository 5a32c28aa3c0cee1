/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_AGENT_OVERLAY_H
#define HUSK_AGENT_OVERLAY_H

#include "agent/storage/storage.h"

/* `overlayfs`: directories on top of each other (agent-protocol 4.1). */
extern const struct storage_driver storage_overlayfs;

#endif
