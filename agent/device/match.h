/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_AGENT_DEVICE_MATCH_H
#define HUSK_AGENT_DEVICE_MATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/device/pci_path.h"
#include "agent/device/uevent.h"

/* What a device is known by to the host, and which of the guest's devices that is: a row each. */
enum device_kind {
	DEVICE_BLK_PCI,    /* by .pci; a disk */
	DEVICE_BLK_NAME,   /* by .name: the kernel's name of a disk, "vda", "pmem0" */
	DEVICE_BLK_CCW,    /* by .name: a channel device, "0.0.0005" */
	DEVICE_SCSI,       /* by .scsi_id and .scsi_lun; a disk */
	DEVICE_NET_PCI,    /* by .pci; an interface */
	DEVICE_NET_CCW,    /* by .name */
	DEVICE_PCI,        /* by .pci; the function itself */
	DEVICE_VFIO_GROUP, /* by .name: its number */
};

struct device_query {
	enum device_kind kind;
	struct pci_path pci;
	const char *name;
	uint32_t scsi_id, scsi_lun;
};

struct device_match {
	const char *what; /* for errors: "virtio-blk device" */
	const char
		*subsystem; /* "block", "net": looked for in /sys/class; NULL: by its path alone */
	bool by_pci;        /* `base` is the resolved .pci; "" otherwise */

	/* The path that the device must have, where that is known beforehand; for free(), or NULL. */
	char *(*devpath)(const struct device_query *q, const char *base);

	/* Is this it? An event, or a device in sysfs written as one. */
	bool (*match)(const struct device_query *q, const char *base, const struct uevent *u);
};

const struct device_match *device_match_for(enum device_kind kind);

#endif
