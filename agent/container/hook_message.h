/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_AGENT_HOOK_MESSAGE_H
#define HUSK_AGENT_HOOK_MESSAGE_H

#include "common/oci/hooks.h"
#include "oci.pb-c.h"

/* The state text (common/oci/hooks.h) of a container whose specification came as a message. For free(). */
char *hook_message_state(const Grpc__Spec *spec, const char *id, const char *bundle,
			 const char *status, pid_t pid) must_check;

/* Arrays are borrowed from `spec` or `hook`: valid as long as these are. */
struct hook_message {
	struct oci_hook hook;
	char **args, **env;
};
void hook_message_init(struct hook_message *m, const Grpc__Hook *hook);
void hook_message_done(struct hook_message *m);

#endif
