/* SPDX-License-Identifier: Apache-2.0 */
/* Places for devices of a running machine; see slots.h. */
#include "hypervisor/qemu/slots.h"

#include <assert.h>
#include <stdio.h>

/*
 * Device numbers from here on: those that QEMU itself gives to the devices of its command line begin
 * at 0. In the guest the subchannel set "fe" of virtual devices is 0 (QEMU, "Channel subsystem").
 */
#define CHANNEL_FIRST 0x1000u

#define UNITS_A_TARGET 256u /* with numbers of one byte (SAM-5, 4.7.3: peripheral addressing) */

static const struct {
	const char *what, *disk, *controller, *protocol;
	unsigned n;
} kinds[] = {
	[SLOT_PORT] = { "PCIe root port", "virtio-blk-pci", "virtio-scsi-pci", "blk", SLOT_PORTS },
	[SLOT_CHANNEL] = { "channel device number", "virtio-blk-ccw", "virtio-scsi-ccw", "blk-ccw",
			   SLOTS_MAX },
	[SLOT_UNIT] = { "SCSI unit", "scsi-hd", NULL, "scsi", SLOTS_MAX },
};

void slots_init(struct slots *s, enum slot_kind kind)
{
	*s = (struct slots){ .kind = kind, .n = kinds[kind].n };
}

int slots_take(struct slots *s, unsigned spare, unsigned *ret, struct err *e)
{
	unsigned slot = s->next;

	if (s->n_used + spare >= s->n)
		return err_set(e, ERR_EXHAUSTED, "every %s of the machine is taken (%u)",
			       kinds[s->kind].what, s->n - spare);
	while (s->used[slot])
		slot = (slot + 1) % s->n;
	s->used[slot] = true;
	s->n_used++;
	s->next = (slot + 1) % s->n;
	*ret = slot;
	return 0;
}

void slots_release(struct slots *s, unsigned slot)
{
	assert(slot < s->n && s->used[slot]);
	s->used[slot] = false;
	s->n_used--;
}

struct slot_place slot_place(const struct slots *s, unsigned slot)
{
	struct slot_place p = { .disk = kinds[s->kind].disk,
				.controller = kinds[s->kind].controller,
				.protocol = kinds[s->kind].protocol };
	unsigned target = slot / UNITS_A_TARGET, unit = slot % UNITS_A_TARGET;

	switch (s->kind) {
	case SLOT_PORT:
		(void)snprintf(p.bus, sizeof(p.bus), "port%u", slot);
		(void)snprintf(p.address, sizeof(p.address), "%02x/00", SLOT_PORT_ADDRESS(slot));
		break;
	case SLOT_CHANNEL:
		(void)snprintf(p.devno, sizeof(p.devno), "fe.0.%04x", CHANNEL_FIRST + slot);
		(void)snprintf(p.address, sizeof(p.address), "0.0.%04x", CHANNEL_FIRST + slot);
		break;
	case SLOT_UNIT:
		(void)snprintf(p.bus, sizeof(p.bus), SLOT_CONTROLLER ".0");
		(void)snprintf(p.scsi_id, sizeof(p.scsi_id), "%u", target);
		(void)snprintf(p.lun, sizeof(p.lun), "%u", unit);
		(void)snprintf(p.address, sizeof(p.address), "%u:%u", target, unit);
		break;
	}
	return p;
}
