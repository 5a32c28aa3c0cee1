/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_SHIM_RECORD_H
#define HUSK_SHIM_RECORD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/base/err.h"

/*
 * What the shim leaves on disk about itself, for `delete` after a crash and for huskctl:
 *
 *   <state_dir>/<namespace>/<sandbox id>/state.json  who runs the sandbox; goes with its directory
 *   <bundle>/state-dir  the state directory, which `delete` has no other way to know
 */
struct shim_record {
	const char *ns, *bundle;
	pid_t shim_pid, vmm_pid;
};

/* The sandbox's directory must be there. */
int record_write(const char *state_dir, const char *sandbox_id, const struct shim_record *r,
		 struct err *e) must_check;

struct shim_record_found {
	pid_t shim_pid, vmm_pid;
	uint64_t shim_start_time; /* as record_start_time() of hypervisor/record.h tells it */
};

/* 1: *ret is set; 0: there is none. */
int record_read(const char *state_dir, const char *ns, const char *sandbox_id,
		struct shim_record_found *ret, struct err *e) must_check;

/* In the bundle of the container that boots a sandbox. */
int record_state_dir(const char *bundle, const char *state_dir, struct err *e) must_check;
bool record_has_state_dir(const char *bundle);
/* For free(). Where the bundle does not say: that of the configuration in force. */
char *record_find_state_dir(const char *bundle) must_check;

#endif
