/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cloud Hypervisor: a row that keeps the name. It has no operations, and hv_ops_find() tells whoever
 * asks for it that this version has none.
 */
#include "hypervisor/driver.h"

const struct hv_ops hv_clh_ops = { .name = "clh" };
