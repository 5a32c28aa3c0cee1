/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_TESTS_GUEST_VM_DEVICES_H
#define HUSK_TESTS_GUEST_VM_DEVICES_H

#include "common/base/cleanup.h"
#include "hypervisor/hypervisor.h"

/*
 * Devices for husk-vm, a line of JSON for a line of JSON:
 *
 *   {"plug":{"extents":[{"file":PATH,"offset":N,"length":N},…],"read_only":B,"shared":B,"direct":B,
 *            "discard":B}}                 {"device":N,"driver":"blk","address":"02/00","us":N}
 *   {"unplug":N,"limit_ms":N}              {"us":N}
 *   {"qmp":"query-named-block-nodes"}      {"count":N}, of what that QMP command lists
 *
 * and {"error":TEXT} for whatever went wrong. For free().
 */
char *vm_devices_answer(struct hv *hv, const char *line, size_t len) must_check;

#endif
