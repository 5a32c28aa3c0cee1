/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_SHIM_NET_FORWARD_H
#define HUSK_SHIM_NET_FORWARD_H

#include "common/base/undo.h"
#include "shim/agent/agent.h"

/*
 * Port-forward: containerd enters a pod's namespace on the host and connects to a port of localhost
 * there. What it means is in the guest. Such connections are accepted here and carried by the agent,
 * which connects to the same port of the guest's localhost.
 *
 * Until `u` runs. Needs an agent with AGENT_FEATURE_FORWARD.
 */
int forward_start(int netns_fd, struct agent *a, struct undo *u, struct err *e) must_check;

#endif
