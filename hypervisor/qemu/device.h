/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_QEMU_DEVICE_H
#define HUSK_QEMU_DEVICE_H

#include "common/base/undo.h"
#include "hypervisor/qemu/qemu.h"

/* What is the same for every kind of device that comes to a running QEMU and leaves it again. */

#define DEVICE_ID_MAX 32u /* bytes, NUL included; Kata cuts its ids there too */

/* The first member of what is kept for each kind. */
struct qemu_device {
	struct hv_device dev;
	struct hv *hv;
	char id[DEVICE_ID_MAX];

	struct slots *slots; /* where `slot` is from; NULL: it has none */
	unsigned slot;

	bool there;       /* QEMU has it or, after an answer that never came, may have it */
	bool asked;       /* the guest was asked to let go of it before */
	struct undo held; /* what QEMU holds for it, given back once it is gone */
	struct err first; /* that went wrong in giving back */
};

/* `dev` is zeroed; what it is called in QEMU, unique, is copied. */
void qemu_device_init(struct qemu_device *dev, struct hv *hv, const char *id);

/* A place for it, given back by u; see slots_take(). */
int qemu_device_take_slot(struct qemu_device *dev, struct slots *slots, unsigned spare,
			  struct undo *u, struct err *e) must_check;

/*
 * device_add. When the answer does not come in time the device may be there all the same: then u
 * takes it out again, or, where the guest does not let go of it, keeps its slot taken.
 */
int qemu_device_add(struct qemu_device *dev, const char *arguments, struct undo *u,
		    struct deadline d, struct err *e) must_check;

/* For an undo stack, of a device that is there: ask the guest to let go of it, briefly. */
void qemu_device_withdraw(void *dev);

/*
 * Of a command that failed: it may have taken effect, because no answer is not a no. Then it is taken
 * back as if it had succeeded.
 */
bool qemu_may_be_done(const struct err *e) must_check;

/*
 * For entries of an undo stack: a command that gives something back, with a deadline of its own. A
 * failure goes to dev->first and the log; a QEMU that is gone has given everything back.
 */
void qemu_device_give_back(struct qemu_device *dev, const char *command, const char *arguments);

/* The unplug operation for all kinds: device_del, DEVICE_DELETED, then everything that is held. */
int qemu_unplug(struct hv *hv, struct hv_device *dev, struct deadline d, struct err *e) must_check;

/* Watch for the events that qemu_unplug() waits for. Once for each connection. */
void qemu_watch_devices(struct qemu *q);

#endif
