/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_AGENT_LSM_H
#define HUSK_AGENT_LSM_H

#include <stdbool.h>

#include "common/base/cleanup.h"
#include "common/base/err.h"

/*
 * Labels of the Linux security modules that containers have: a task says under which its next exec is
 * to run by writing to its /proc/self/attr. The guest's kernel may have neither; what that means is the
 * caller's to say.
 */
enum lsm {
	LSM_APPARMOR,
	LSM_SELINUX,
};

const char *lsm_name(enum lsm which);

/* Does the kernel enforce it? `sys`: "/sys", or what stands for it in a test. */
bool lsm_active(const char *sys, enum lsm which);

/*
 * Open the file for the next exec. `proc_self`: "/proc/self". Only the task that opened it may write, and
 * an exec ends that. Returns the descriptor.
 */
int lsm_open_exec(const char *proc_self, enum lsm which, struct err *e) must_check;

/*
 * Write a profile's name or a label. ERR_NOT_FOUND: AppArmor has not loaded such a profile;
 * ERR_INVALID: it is none.
 */
int lsm_set_exec(int fd, enum lsm which, const char *label, struct err *e) must_check;

#endif
