/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_QEMU_NIC_H
#define HUSK_QEMU_NIC_H

#include "hypervisor/driver.h"

/* hv_ops.plug_nic; unplugging is qemu_unplug(). */
int qemu_plug_nic(struct hv *hv, const struct hv_nic *nic, struct deadline d,
		  struct hv_device **ret, struct err *e) must_check;

#endif
