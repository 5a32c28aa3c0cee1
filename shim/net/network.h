/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_SHIM_NET_NETWORK_H
#define HUSK_SHIM_NET_NETWORK_H

#include "common/base/undo.h"
#include "common/oci/spec.h"
#include "config/config.h"
#include "hypervisor/hypervisor.h"
#include "shim/agent/agent.h"

/*
 * The network of a sandbox: its namespace on the host, and a NIC in the guest for each link in there
 * (config: internetworking_model). All in a fiber.
 *
 * The links keep their addresses, which is what others look at; the frames go past them to the guest,
 * which has the same addresses. Links that come later, between Create and Start, are found by
 * network_update().
 */
struct network;

/*
 * What a file of dan_conf says, for a sandbox that has one; the namespace then does not count, nor does
 * what is in it with the model "user" (user.h). Else: the namespace that the spec names, or a new one; -1 and a line in the log for a spec without one
 * (host networking, which a VM cannot have). `dir`, the sandbox's, keeps what network_clean_up()
 * needs; borrowed.
 *
 * Endpoints for the links that are there now. Taken back by `u`, after the VM has ended.
 */
int network_start(const struct config *c, const struct oci_spec *spec, const char *sandbox_id,
		  const char *dir, struct undo *u, struct network **ret, struct err *e) must_check;

int network_netns_fd(const struct network *n); /* for hv_spec; -1: none */

/* For hv_spec; the answer is how many. Their descriptors are open until network_handed_over(). */
size_t network_nics(const struct network *n, struct hv_nic ret[static HV_NICS_MAX]);
void network_handed_over(struct network *n);

/* Interfaces, routes and neighbours of what was given to hv_start(). */
int network_tell_guest(struct network *n, const struct hv *hv, struct agent *a, struct deadline d,
		       struct err *e) must_check;

/*
 * Whoever connects to localhost in a namespace that has a name reaches the guest's. Where that cannot
 * be done a line in the log says why. Taken back by `u`, before the agent goes.
 */
void network_forward(struct network *n, struct agent *a, struct undo *u);

/* Look again; what is new is plugged in and told. What fails is as if it had not been there. */
int network_update(struct network *n, struct hv *hv, struct agent *a, struct deadline d,
		   struct err *e) must_check;

/* For `delete` after a crash of the shim and the end of the VM. Blocks; not in a fiber. */
int network_clean_up(const char *dir, struct err *e) must_check;

#endif
