/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_QEMU_GROW_H
#define HUSK_QEMU_GROW_H

#include "hypervisor/qemu/qemu.h"

/* The operations of hypervisor/size.h. */
int qemu_add_vcpus(struct hv *hv, uint32_t n, struct deadline d, struct err *e) must_check;
int qemu_add_memory(struct hv *hv, uint64_t mib, struct deadline d, struct err *e) must_check;

/* Watch for the event that they wait for. Once for each connection. */
void qemu_watch_arrivals(struct qemu *q);

#endif
