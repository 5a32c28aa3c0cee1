/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_TESTS_FAKE_QEMU_H
#define HUSK_TESTS_FAKE_QEMU_H

#include "hypervisor/qemu/qemu.h"

/*
 * A machine of the QEMU driver whose monitor is a fiber of the test. It knows what it was given and
 * refuses what QEMU would refuse: a name twice, a node in use, a slot that is taken.
 */
enum guest {
	GUEST_RELEASES, /* a device that it is asked for */
	GUEST_REFUSES,
	GUEST_SLEEPS,
};

#define FAKE_NAMES_MAX 1100
#define FAKE_NAME_MAX  40

struct fake_names {
	size_t n;
	struct {
		char name[FAKE_NAME_MAX];
		char uses[FAKE_NAME_MAX], bus[FAKE_NAME_MAX]; /* of a device: its node and slot */
	} row[FAKE_NAMES_MAX];
};

struct fake_qemu {
	struct hv hv;
	struct qemu qemu;
	struct config config;

	enum guest guest;
	int refuse_from,
		refuse_to;  /* the 1st, 2nd, … command after fake_qemu_log_clear(); 0: none */
	const char *silent; /* this command takes effect, but its answer never comes */
	uint64_t ost;       /* what the guest's kernel says of a device that comes; 0: it took it */
	bool ignores;       /* it says nothing */
	int driver_ready_at, looks; /* the look at a device's status that finds its driver ready */
	struct fake_names sets;     /* of descriptors, and descriptors with names */
	struct fake_names nodes, devices; /* block nodes, network and memory backends; devices */

	struct buf log; /* "add-fd 1; blockdev-add node1; " */
	int asked;
	struct io *io;
	struct buf in;
	struct fiber_group peer;
};

void fake_qemu_start(struct fake_qemu *f, const char *machine_type, const char *disk_driver);
void fake_qemu_log_clear(struct fake_qemu *f);
void fake_qemu_close(struct fake_qemu *f); /* its end of the monitor, as when it dies */
void fake_qemu_stop(struct fake_qemu *f);  /* and everything is freed */

#endif
