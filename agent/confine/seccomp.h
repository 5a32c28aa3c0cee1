/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_AGENT_SECCOMP_H
#define HUSK_AGENT_SECCOMP_H

#include "common/base/cleanup.h"
#include "common/base/err.h"
#include "oci.pb-c.h"

/*
 * A system call filter of the OCI spec (config-linux.md, "Seccomp"), made by libseccomp.
 *
 * System calls that libseccomp does not know are left out, as the OCI runtimes do: a profile names
 * those of newer kernels too, and the default action covers them. Any other unknown word is
 * ERR_INVALID; SCMP_ACT_NOTIFY, which needs a listener outside, is ERR_UNSUPPORTED.
 */
struct seccomp_filter;

struct seccomp_filter *seccomp_build(const Grpc__LinuxSeccomp *spec, struct err *e) must_check;
void seccomp_free(struct seccomp_filter *f); /* NULL is fine */

/* For this thread, for good. Takes no_new_privs or CAP_SYS_ADMIN. */
int seccomp_filter_load(const struct seccomp_filter *f, struct err *e) must_check;

#endif
