/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_HYPERVISOR_SIZE_H
#define HUSK_HYPERVISOR_SIZE_H

#include <stdint.h>

#include "common/async/deadline.h"
#include "common/base/err.h"

/*
 * How large a VM is, and making a running one larger, up to the maximum it was started with. What was
 * added stays until the VM ends.
 *
 * Adding is all or nothing, and done when the guest's kernel has what was added: to take it into use
 * is the agent's (OnlineCPUMem). One fiber at a time, any after hv_start().
 */

struct hv;

uint32_t hv_vcpus(const struct hv *hv);
uint64_t hv_memory_mib(const struct hv *hv);

/*
 * ERR_UNSUPPORTED   the driver cannot, or the VM was started without room to grow
 * ERR_EXHAUSTED     more than its maximum, or no memory slot is left; the text names the key
 * ERR_TIMEOUT       the guest did not notice in HV_GROW_MS: its kernel may lack ACPI hot-plug
 * ERR_STATE         the guest's kernel refuses
 */
int hv_add_vcpus(struct hv *hv, uint32_t n, struct deadline d, struct err *e) must_check;
int hv_add_memory(struct hv *hv, uint64_t mib, struct deadline d, struct err *e) must_check;

/* For a guest's kernel to take what was added. One whose CPU is emulated on a busy host takes a second. */
#define HV_GROW_MS 20000

#endif
