/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Devices that come to a running QEMU and leave it again; see device.h.
 *
 * What QEMU holds for a device is on an undo stack: that of the call that plugs it until it is
 * plugged in, then its own, which unplugging runs once the device is gone.
 */
#include "hypervisor/qemu/device.h"

#include <stdio.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/mem.h"

#define GUEST_MS     10000 /* for the guest to let go of a device */
#define GIVE_BACK_MS 5000  /* for a command that gives back */

/* A device that the guest was asked to let go of; on the stack of the fiber that waits. */
struct leaving {
	const char *id;
	bool gone, refused;
	struct leaving *next;
};

void qemu_device_init(struct qemu_device *dev, struct hv *hv, const char *id)
{
	*dev = (struct qemu_device){ .hv = hv };
	(void)snprintf(dev->id, sizeof(dev->id), "%s", id);
}

/* ---- Slots ---- */

/*
 * Another device cannot have the port of one that may still be there. Of channel device numbers there
 * are plenty, taken in turn, and no guest has to agree: they are released on every path.
 */
static void release_slot(void *arg)
{
	struct qemu_device *dev = arg;

	if (!dev->slots || (dev->there && dev->slots->kind != SLOT_CHANNEL))
		return;
	slots_release(dev->slots, dev->slot);
	dev->slots = NULL;
}

int qemu_device_take_slot(struct qemu_device *dev, struct slots *slots, unsigned spare,
			  struct undo *u, struct err *e)
{
	if (slots_take(slots, spare, &dev->slot, e) < 0)
		return -1;
	dev->slots = slots;
	undo_push(u, "slot", release_slot, dev);
	return 0;
}

/* ---- Taking out ---- */

static struct leaving *find_leaving(const struct qemu *q, const struct json *data)
{
	/* Of a virtio device's two halves the inner one has no id of its own: no "device". */
	const char *id = json_string(json_get(data, "device"));

	for (struct leaving *l = q->leaving; id && l; l = l->next)
		if (strcmp(l->id, id) == 0)
			return l;
	return NULL;
}

static void on_deleted(const char *event, const struct json *data, void *arg)
{
	struct leaving *l = find_leaving(arg, data);

	(void)event;
	if (l)
		l->gone = true;
}

static void on_refused(const char *event, const struct json *data, void *arg)
{
	struct leaving *l = find_leaving(arg, data);

	(void)event;
	if (l)
		l->refused = true;
}

void qemu_watch_devices(struct qemu *q)
{
	qmp_watch(q->qmp, "DEVICE_DELETED", on_deleted, q);
	qmp_watch(q->qmp, "DEVICE_UNPLUG_GUEST_ERROR", on_refused, q);
}

/* Not there is as good as gone: a guest may throw its devices out unasked. */
static int request(struct qemu_device *dev, struct leaving *l, struct deadline d, struct err *e)
{
	const struct qemu *q = dev->hv->driver;
	auto_free char *arguments = json_object("s:id", dev->id, NULL);
	struct err why = ERR_INIT;

	if (qmp_call(q->qmp, "device_del", arguments, -1, d, NULL, NULL, &why) == 0) {
		dev->asked = true;
		return 0;
	}
	if (why.code == ERR_NOT_FOUND) {
		l->gone = true;
		return 0;
	}
	/* "Already in the process of unplug": then its end is waited for as well. */
	if (why.code == ERR_INTERNAL && dev->asked)
		return 0;
	*e = why;
	return -1;
}

static int wait_gone(struct qemu_device *dev, struct leaving *l, struct deadline d, struct err *e)
{
	const struct qemu *q = dev->hv->driver;

	if (request(dev, l, d, e) < 0)
		return -1;
	while (!l->gone && !l->refused)
		if (qmp_wait_event(q->qmp, d, e) < 0)
			return err_wrap(e, "wait for the guest to release the device");
	return l->gone ? 0 : err_set(e, ERR_STATE, "the guest refuses to release the device");
}

static int take_out(struct qemu_device *dev, struct deadline d, struct err *e)
{
	struct qemu *q = dev->hv->driver;
	struct leaving l = { .id = dev->id, .next = q->leaving };
	struct leaving **at = &q->leaving;
	int r;

	if (!dev->there)
		return 0;
	q->leaving = &l;
	r = wait_gone(dev, &l, d, e);
	while (*at != &l)
		at = &(*at)->next;
	*at = l.next;
	dev->there = r < 0;
	return r;
}

bool qemu_may_be_done(const struct err *e)
{
	return e->code == ERR_TIMEOUT || e->code == ERR_CANCELLED;
}

void qemu_device_give_back(struct qemu_device *dev, const char *command, const char *arguments)
{
	const struct qemu *q = dev->hv->driver;
	struct err why = ERR_INIT;

	if (qmp_call(q->qmp, command, arguments, -1, deadline_in_ms(GIVE_BACK_MS), NULL, NULL,
		     &why) == 0 ||
	    why.code == ERR_UNAVAILABLE)
		return;
	log_warn("%s: %s", dev->id, why.text);
	if (dev->first.code == ERR_NONE)
		dev->first = why;
}

int qemu_unplug(struct hv *hv, struct hv_device *plain, struct deadline d, struct err *e)
{
	struct qemu_device *dev = container_of(plain, struct qemu_device, dev);

	(void)hv;
	dev->first = ERR_INIT;
	if (take_out(dev, deadline_min(d, deadline_in_ms(GUEST_MS)), e) < 0) {
		release_slot(dev);
		return -1;
	}
	undo_run(&dev->held);
	if (dev->first.code == ERR_NONE)
		return 0;
	*e = dev->first;
	return -1;
}

/* ---- Putting in ---- */

void qemu_device_withdraw(void *arg)
{
	struct qemu_device *dev = arg;
	struct err why = ERR_INIT;

	if (take_out(dev, deadline_in_ms(GIVE_BACK_MS), &why) < 0 && why.code != ERR_UNAVAILABLE)
		log_warn("%s may be plugged in, its slot stays taken: %s", dev->id, why.text);
}

int qemu_device_add(struct qemu_device *dev, const char *arguments, struct undo *u,
		    struct deadline d, struct err *e)
{
	const struct qemu *q = dev->hv->driver;

	if (qmp_call(q->qmp, "device_add", arguments, -1, d, NULL, NULL, e) == 0) {
		dev->there = true;
		return 0;
	}
	if (qemu_may_be_done(e)) {
		dev->there = true;
		undo_push(u, "device", qemu_device_withdraw, dev);
	}
	return -1;
}
