/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_HYPERVISOR_PASST_H
#define HUSK_HYPERVISOR_PASST_H

#include "common/base/undo.h"
#include "hypervisor/device.h"

/*
 * passt(1), the process behind a NIC of the kind HV_NIC_USER: in the network namespace that we are in,
 * with no right to change anything of it, it opens connections there for those that the guest opens.
 */
struct hv;

/* Of the machine; NULL: it has none. */
const struct hv_nic *hv_user_nic(const struct hv *hv);

/* ERR_INVALID names runtime.published_ports: the same port on two addresses. */
int passt_check_ports(const struct hv_nic *nic, struct err *e) must_check;

/* NULL-terminated, for strv_free(). socket_fd: number, in the process, of its connection to the VMM. */
char **passt_args(const char *path, const struct hv_nic *nic, int socket_fd) must_check;

/* `socket_fd`, connected to the VMM, stays the caller's. */
int passt_start(struct hv *hv, const struct hv_nic *nic, int socket_fd, struct undo *u,
		struct err *e) must_check;

#endif
