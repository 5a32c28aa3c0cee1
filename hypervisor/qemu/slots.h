/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_QEMU_SLOTS_H
#define HUSK_QEMU_SLOTS_H

#include <stdbool.h>

#include "common/base/err.h"

/* Places for devices of a running machine: who has which, how device_add and the guest call them. */

enum slot_kind {
	SLOT_PORT,    /* PCIe: the one slot behind a root port */
	SLOT_CHANNEL, /* s390x: a device number of the channel subsystem */
	SLOT_UNIT,    /* SCSI: a logical unit of the one controller */
};

/*
 * Root ports of a machine. One costs a booting guest a million instructions (0.2 %, some 3 ms when
 * its CPU is emulated); more disks than ports go to a SCSI controller.
 */
#define SLOT_PORTS 8u

/* PCI slots 2 to 9 of the root bus; 0 is the host bridge, devices without an address begin at 1. */
#define SLOT_PORT_ADDRESS(port) ((port) + 2u)

#define SLOT_CONTROLLER "scsi" /* id of the SCSI controller that units are of */
#define SLOTS_MAX       1024u

struct slots {
	enum slot_kind kind;
	unsigned n, n_used;
	unsigned next; /* where to look first */
	bool used[SLOTS_MAX];
};

void slots_init(struct slots *s, enum slot_kind kind);

/*
 * The next free one. In turn, and not always the lowest: a guest that is slow to notice that a device
 * has gone does not mistake another for it.
 *
 * spare  ERR_EXHAUSTED unless that many are left then
 */
int slots_take(struct slots *s, unsigned spare, unsigned *ret, struct err *e) must_check;
void slots_release(struct slots *s, unsigned slot);

/* Properties for device_add, "" where there is none, and the place as the agent is told it. */
struct slot_place {
	char bus[24];              /* "port3", "scsi.0" */
	char devno[16];            /* "fe.0.1003" */
	char scsi_id[12], lun[12]; /* decimal */
	char address[24];          /* PCI path "05/00", "0.0.1003", "0:3" */
	const char *disk;          /* QEMU's name of a disk there: "virtio-blk-pci" */
	const char *controller;    /* of a SCSI controller; NULL: none can be there */
	const char *protocol;      /* the agent's of a disk: "blk" */
};

struct slot_place slot_place(const struct slots *s, unsigned slot);

#endif
