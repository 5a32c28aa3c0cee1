/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_SHIM_TASK_BOOT_H
#define HUSK_SHIM_TASK_BOOT_H

#include "google/protobuf/any.pb-c.h"
#include "shim/task/container.h"

/* Making the sandbox of the service: by the first Create, or by StartSandbox (shim/sandbox_api). */
struct boot_request {
	const char *bundle;
	const struct oci_spec *spec;
	const Google__Protobuf__Any *options; /* runtime options, may be NULL */
};

/*
 * There must be none, or one that has ended, and no other fiber in here. Meanwhile s->booting is set.
 * On failure there is none; after success service_end_sandbox() ends it.
 */
int service_boot(struct task_service *s, const struct boot_request *r, struct deadline d,
		 struct err *e) must_check;

/* Stop what service_boot() made, and wait for it, as an undo function: arg is the service. */
void service_undo_boot(void *arg);

#endif
