/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Network cards for a running QEMU; see nic.h.
 *
 * Each descriptor is handed over under a name, getfd, which netdev_add makes a backend of: then the
 * descriptors are the backend's and the names are gone. The card, device_add, takes a root port.
 */
#include "hypervisor/qemu/nic.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/base/mem.h"
#include "hypervisor/qemu/device.h"

/* A descriptor in QEMU's hands that is nobody's yet. */
struct named_fd {
	struct qemu_device *dev;
	char name[DEVICE_ID_MAX];
};

struct card {
	struct qemu_device device;
	char netdev[DEVICE_ID_MAX];
	struct named_fd fd[HV_NIC_FDS_MAX];
	size_t n_fds;
};

static void free_card(void *arg)
{
	struct card *card = arg;

	undo_forget(&card->device.held);
	free(card->device.dev.address);
	free(card);
}

static void card_free(struct hv_device *dev)
{
	free_card(container_of(dev, struct card, device.dev));
}

static void close_fd(void *arg)
{
	struct named_fd *fd = arg;
	auto_free char *arguments = json_object("s:fdname", fd->name, NULL);

	qemu_device_give_back(fd->dev, "closefd", arguments);
}

/* Their names, for netdev_add, are added to `list`: QEMU separates them by colons. */
static int pass_fds(struct card *card, const int *fds, uint32_t n, struct buf *list, struct undo *u,
		    struct deadline d, struct err *e)
{
	struct qemu *q = card->device.hv->driver;

	for (uint32_t i = 0; i < n; i++) {
		struct named_fd *fd = &card->fd[card->n_fds++];
		auto_free char *arguments = NULL;
		int r;

		fd->dev = &card->device;
		(void)snprintf(fd->name, sizeof(fd->name), "fd%" PRIu64, ++q->last_id);
		arguments = json_object("s:fdname", fd->name, NULL);
		r = qmp_call(q->qmp, "getfd", arguments, fds[i], d, NULL, NULL, e);
		if (r == 0 || qemu_may_be_done(e))
			undo_push(u, "descriptor", close_fd, fd);
		if (r < 0)
			return -1;
		buf_addf(list, "%s%s", i > 0 ? ":" : "", fd->name);
	}
	return 0;
}

static void remove_backend(void *arg)
{
	struct card *card = arg;
	auto_free char *arguments = json_object("s:id", card->netdev, NULL);

	qemu_device_give_back(&card->device, "netdev_del", arguments);
}

static int add_backend(struct card *card, const struct hv_nic *nic, struct undo *u,
		       struct deadline d, struct err *e)
{
	const struct qemu *q = card->device.hv->driver;
	auto_undo struct undo fds = UNDO_INIT;
	auto_buf struct buf taps = BUF_INIT;
	auto_buf struct buf vhosts = BUF_INIT;
	auto_free char *arguments = NULL;
	int r;

	if (pass_fds(card, nic->tap_fds, nic->n_queues, &taps, &fds, d, e) < 0)
		return -1;
	if (nic->vhost_fds &&
	    pass_fds(card, nic->vhost_fds, nic->n_queues, &vhosts, &fds, d, e) < 0)
		return -1;
	/* Without "vhost" QEMU does not look at the descriptors for it. */
	arguments = json_object("s:type", "tap", "s:id", card->netdev, "s:fds", taps.data,
				"o:vhost", nic->vhost_fds ? "true" : NULL, "s:vhostfds",
				nic->vhost_fds ? vhosts.data : NULL, NULL);
	r = qmp_call(q->qmp, "netdev_add", arguments, -1, d, NULL, NULL, e);
	if (r == 0 || qemu_may_be_done(e))
		undo_push(u, "network backend", remove_backend, card);
	if (r == 0)
		undo_forget(&fds);
	return r;
}

static int add_card(struct card *card, const struct hv_nic *nic, struct undo *u, struct deadline d,
		    struct err *e)
{
	struct qemu_device *dev = &card->device;
	struct slot_place place = slot_place(dev->slots, dev->slot);
	const uint8_t *m = nic->mac;
	bool several = nic->n_queues > 1;
	auto_free char *mac =
		xasprintf("%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
	/* As in args.c: an interrupt each way for a pair, and two more. */
	auto_free char *vectors = xasprintf("%" PRIu32, 2 * nic->n_queues + 2);
	auto_free char *arguments =
		json_object("s:driver", "virtio-net-pci", "s:id", dev->id, "s:netdev", card->netdev,
			    "s:mac", mac, "s:bus", place.bus, "s:romfile", "", "o:mq",
			    several ? "true" : NULL, "o:vectors", several ? vectors : NULL, NULL);

	dev->dev.driver = "network";
	dev->dev.address = xstrdup(place.address);
	return qemu_device_add(dev, arguments, u, d, e);
}

int qemu_plug_nic(struct hv *hv, const struct hv_nic *nic, struct deadline d,
		  struct hv_device **ret, struct err *e)
{
	auto_undo struct undo u = UNDO_INIT;
	struct qemu *q = hv->driver;
	struct card *card;
	auto_free char *id = NULL;

	if (q->slots.kind != SLOT_PORT)
		return err_set(e, ERR_UNSUPPORTED, "this machine has no PCI slots for it");
	card = xnew(struct card);
	id = xasprintf("card%" PRIu64, ++q->last_id);
	qemu_device_init(&card->device, hv, id);
	card->device.dev.kind = HV_DEVICE_NIC;
	card->device.dev.free = card_free;
	(void)snprintf(card->netdev, sizeof(card->netdev), "net%" PRIu64, q->last_id);
	undo_push(&u, "network card", free_card, card);
	if (qemu_device_take_slot(&card->device, &q->slots, 0, &u, e) < 0 ||
	    add_backend(card, nic, &u, d, e) < 0 || add_card(card, nic, &u, d, e) < 0)
		return -1;
	undo_drop(&u, free_card, card);
	undo_move(&card->device.held, &u);
	*ret = &card->device.dev;
	return 0;
}
