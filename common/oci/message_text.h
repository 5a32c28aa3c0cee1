/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_OCI_MESSAGE_TEXT_H
#define HUSK_OCI_MESSAGE_TEXT_H

#include "common/base/cleanup.h"
#include "oci.pb-c.h"

/*
 * A spec of the agent protocol as config.json of an OCI bundle (OCI runtime specification 1.2, config.md
 * and config-linux.md): the way back from to_agent.h. The protocol has no presence for scalars: what is 0,
 * false or "" is left out, except where the specification wants a member to be there. For free().
 */
char *oci_spec_message_text(const Grpc__Spec *spec) must_check;

#endif
