/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_OCI_TO_AGENT_H
#define HUSK_OCI_TO_AGENT_H

#include "common/oci/spec.h"
#include "oci.pb-c.h"

/*
 * The OCI structs as messages of the agent protocol. Faithful: what the shim takes out or rewrites
 * for the guest it does to the message afterwards. The result is a deep copy from malloc(), so
 * members may be replaced; free it with protobuf_c_message_free_unpacked() or with
 * grpc__spec__free_unpacked() and its like.
 *
 * The protocol has no presence for numbers: absent ones are 0. In a device rule an absent major or
 * minor is -1, because there 0 is a number (agent-side: -1 is "all").
 */
Grpc__Spec *oci_spec_to_agent(const struct oci_spec *s) must_check;
Grpc__Process *oci_process_to_agent(const struct oci_process *p) must_check;
Grpc__LinuxResources *oci_resources_to_agent(const struct oci_resources *r) must_check;

/*
 * What of the spec the protocol has no field for, by its place ("process.user.umask"): a container
 * starts without it, and its owner should be told. NULL-terminated, for strv_free(); NULL: nothing.
 */
char **oci_spec_not_carried(const struct oci_spec *s) must_check;
char **oci_resources_not_carried(const struct oci_resources *r) must_check;

#endif
