/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_AGENT_DEVICE_SCSI_H
#define HUSK_AGENT_DEVICE_SCSI_H

#include <stdint.h>

#include "common/base/cleanup.h"
#include "common/base/err.h"

/* "<id>:<lun>", decimal, as virtio-scsi numbers them: up to 255 and 16383. */
int scsi_address_parse(const char *text, uint32_t *ret_id, uint32_t *ret_lun, struct err *e)
	must_check;

/*
 * Ask every SCSI host below `sys` to look for that disk: hosts do not announce what is plugged into
 * them. In a fiber. A host that cannot look is not the one.
 */
void scsi_scan(const char *sys, uint32_t id, uint32_t lun);

#endif
