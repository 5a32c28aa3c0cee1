/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_AGENT_WATCHED_H
#define HUSK_AGENT_WATCHED_H

#include "agent/storage/storage.h"

/*
 * "watchable-bind": a ConfigMap or Secret of the share, on which inotify says nothing of what the host
 * changes. Small ones are copied to memory and looked at every two seconds, so that whoever watches the
 * copy is told; large ones are bound as they are.
 */
extern const struct storage_driver watchable_bind;

#endif
