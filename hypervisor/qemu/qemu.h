/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_QEMU_H
#define HUSK_QEMU_H

#include "common/async/child.h"
#include "common/async/fiber.h"
#include "hypervisor/driver.h"
#include "hypervisor/qemu/qmp.h"
#include "hypervisor/qemu/slots.h"

/* A machine of this driver, hv->driver. Not for anybody outside hypervisor/qemu/ and its tests. */

#define QEMU_FDS_MAX HV_PROCESS_FDS_MAX

struct leaving;
struct arriving;

struct qemu {
	struct hv *hv;
	struct qmp *qmp;
	struct io *console;
	struct fiber_group readers;

	/* Of the start: closed in the parent as soon as QEMU has them. */
	struct child_fd fds[QEMU_FDS_MAX];
	size_t n_fds;

	/* Devices that come and go; see device.c and disk.c. */
	struct slots slots;        /* root ports, or channel device numbers */
	struct slots units;        /* of the SCSI controller */
	bool controller, plugging; /* it is there; a fiber is plugging it */
	struct cond controller_changed;
	uint64_t last_id; /* given to a device, block node or set of descriptors */
	struct leaving *leaving;

	/* Processors and memory that come; see grow.c. */
	bool memory_shared;
	struct arriving *arriving;
};

#endif
