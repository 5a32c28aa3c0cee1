/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Disks for a running QEMU; see disk.h.
 *
 * QEMU may open nothing itself: each file is handed over as a set of one descriptor, add-fd, and
 * opened as /dev/fdset/<number>. Several files become one disk through the descriptor of a flat VMDK
 * in a memfd. Then come the block node, blockdev-add, and the device, device_add, on a free root
 * port or as a unit of the SCSI controller, which is plugged in when the first one wants it.
 */
#include "hypervisor/qemu/disk.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "common/base/fd.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "hypervisor/qemu/device.h"
#include "hypervisor/qemu/vmdk.h"

/* A descriptor in QEMU's hands. */
struct fdset {
	struct qemu_device *dev;
	uint64_t id;
	char path[32];
};

struct disk {
	struct qemu_device device;
	struct fdset *sets; /* one for each file, and one for a VMDK's descriptor */
	size_t n_sets;
	char node[DEVICE_ID_MAX];
};

static void free_disk(void *arg)
{
	struct disk *disk = arg;

	undo_forget(&disk->device.held);
	free(disk->device.dev.address);
	free(disk->sets);
	free(disk);
}

static void disk_free(struct hv_device *dev)
{
	free_disk(container_of(dev, struct disk, device.dev));
}

/* ---- Files ---- */

static void remove_set(void *arg)
{
	struct fdset *set = arg;
	auto_free char *arguments = json_object("u:fdset-id", (unsigned long long)set->id, NULL);

	qemu_device_give_back(set->dev, "remove-fd", arguments);
}

static int pass_file(struct disk *disk, int fd, const char *name, struct undo *u, struct deadline d,
		     const struct fdset **ret, struct err *e)
{
	struct qemu *q = disk->device.hv->driver;
	struct fdset *set = &disk->sets[disk->n_sets++];
	auto_free char *arguments = NULL;
	int r;

	set->dev = &disk->device;
	set->id = ++q->last_id;
	(void)snprintf(set->path, sizeof(set->path), "/dev/fdset/%" PRIu64, set->id);
	arguments = json_object("u:fdset-id", (unsigned long long)set->id, NULL);
	r = qmp_call(q->qmp, "add-fd", arguments, fd, d, NULL, NULL, e);
	if (r == 0 || qemu_may_be_done(e))
		undo_push(u, "descriptor", remove_set, set);
	if (r < 0)
		return err_wrap(e, "'%s'", name);
	*ret = set;
	return 0;
}

/* The same file at several places of a disk needs one descriptor. */
static int pass_once(struct disk *disk, const struct hv_disk *spec, size_t i, const char **paths,
		     struct undo *u, struct deadline d, struct err *e)
{
	const struct fdset *set;

	for (size_t k = 0; k < i; k++) {
		if (spec->extents[k].fd == spec->extents[i].fd) {
			paths[i] = paths[k];
			return 0;
		}
	}
	if (pass_file(disk, spec->extents[i].fd, spec->extents[i].name, u, d, &set, e) < 0)
		return -1;
	paths[i] = set->path;
	return 0;
}

/* The text as a file that can only be read. */
static int text_file(const char *text, struct err *e)
{
	auto_close int fd = memfd_create("disk descriptor", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	auto_free char *path = NULL;
	int ret;

	if (fd < 0)
		return err_sys(e, errno, "memfd for a disk descriptor");
	if (write_all(fd, text, strlen(text)) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0)
		return err_sys(e, errno, "write a disk descriptor");
	path = xasprintf("/proc/self/fd/%d", fd);
	ret = open(path, O_RDONLY | O_CLOEXEC);
	return ret < 0 ? err_sys(e, errno, "open a disk descriptor") : ret;
}

static int fill_extents(const struct hv_disk *spec, const char *const *paths,
			struct vmdk_extent *ret, struct err *e)
{
	for (size_t i = 0; i < spec->n_extents; i++) {
		const struct hv_extent *x = &spec->extents[i];
		struct stat st;
		uint64_t length;

		if (hv_extent_length(x, &length, e) < 0)
			return -1;
		if (fstat(x->fd, &st) < 0 || !S_ISREG(st.st_mode))
			return err_set(e, ERR_UNSUPPORTED,
				       "'%s': a block device cannot be part of a disk", x->name);
		ret[i] = (struct vmdk_extent){ .file = paths[i],
					       .offset = x->offset / VMDK_SECTOR,
					       .sectors = length / VMDK_SECTOR };
	}
	return 0;
}

static int pass_concatenation(struct disk *disk, const struct hv_disk *spec, struct undo *u,
			      struct deadline d, const struct fdset **ret, struct err *e)
{
	auto_free const char **paths = xcalloc(spec->n_extents, sizeof(*paths));
	auto_free struct vmdk_extent *extents = xcalloc(spec->n_extents, sizeof(*extents));
	auto_free char *text = NULL;
	auto_close int fd = -1;

	for (size_t i = 0; i < spec->n_extents; i++)
		if (pass_once(disk, spec, i, paths, u, d, e) < 0)
			return -1;
	if (fill_extents(spec, paths, extents, e) < 0)
		return -1;
	text = vmdk_descriptor(extents, spec->n_extents);
	if (strlen(text) > VMDK_TEXT_MAX)
		return err_set(e, ERR_EXHAUSTED, "a disk of %zu parts is more than QEMU reads",
			       spec->n_extents);
	fd = text_file(text, e);
	return fd < 0 ? -1 : pass_file(disk, fd, "disk descriptor", u, d, ret, e);
}

/* ---- Block nodes ---- */

static void remove_node(void *arg)
{
	struct disk *disk = arg;
	auto_free char *arguments = json_object("s:node-name", disk->node, NULL);

	qemu_device_give_back(&disk->device, "blockdev-del", arguments);
}

/* QEMU does "native" only past the page cache. */
static const char *choose_aio(const struct config_hypervisor *c, const struct hv_disk *spec)
{
	if (strcmp(c->block_device_aio, "native") == 0 && !spec->direct)
		return "threads";
	return c->block_device_aio;
}

static char *node_arguments(const struct disk *disk, const struct hv_disk *spec, bool is_file,
			    bool is_device, const char *path)
{
	const struct config_hypervisor *c = &disk->device.hv->spec.config->hypervisor;
	const char *discard = spec->discard && !spec->read_only ? "unmap" : "ignore";
	auto_free char *cache = json_object("b:direct", spec->direct, "b:no-flush",
					    c->block_device_cache_noflush, NULL);
	auto_free char *file = json_object("s:driver", is_device ? "host_device" : "file",
					   "s:filename", path, "s:aio", choose_aio(c, spec),
					   "s:discard", discard, "o:cache", cache, NULL);

	return json_object("s:driver", is_file ? "raw" : "vmdk", "s:node-name", disk->node,
			   "b:read-only", spec->read_only, "b:force-share", spec->shared,
			   "s:discard", discard, "o:cache", cache, "o:file", file, NULL);
}

static int add_node(struct disk *disk, const struct hv_disk *spec, struct undo *u,
		    struct deadline d, struct err *e)
{
	const struct qemu *q = disk->device.hv->driver;
	auto_free char *arguments = NULL;
	const struct fdset *set;
	int is_file = hv_disk_is_file(spec, e);
	struct stat st;
	int r;

	if (is_file < 0)
		return -1;
	disk->sets = xcalloc(spec->n_extents + 1, sizeof(*disk->sets));
	if (is_file)
		r = pass_file(disk, spec->extents[0].fd, spec->extents[0].name, u, d, &set, e);
	else
		r = pass_concatenation(disk, spec, u, d, &set, e);
	if (r < 0)
		return -1;
	if (fstat(spec->extents[0].fd, &st) < 0)
		return err_sys(e, errno, "'%s'", spec->extents[0].name);
	arguments = node_arguments(disk, spec, is_file, S_ISBLK(st.st_mode), set->path);
	r = qmp_call(q->qmp, "blockdev-add", arguments, -1, d, NULL, NULL, e);
	if (r == 0 || qemu_may_be_done(e))
		undo_push(u, "block node", remove_node, disk);
	return r;
}

/* ---- Places ---- */

static const char *or_null(const char *property)
{
	return *property != '\0' ? property : NULL;
}

static int plug_controller(struct qemu *q, struct deadline d, struct err *e)
{
	auto_undo struct undo u = UNDO_INIT;
	auto_free char *arguments = NULL;
	struct qemu_device dev;
	struct slot_place place;

	qemu_device_init(&dev, q->hv, SLOT_CONTROLLER);
	if (qemu_device_take_slot(&dev, &q->slots, 0, &u, e) < 0)
		return -1;
	place = slot_place(&q->slots, dev.slot);
	arguments = json_object("s:driver", place.controller, "s:id", dev.id, "s:bus",
				or_null(place.bus), "s:devno", or_null(place.devno), NULL);
	if (qemu_device_add(&dev, arguments, &u, d, e) < 0)
		return -1;
	undo_forget(&u); /* it stays */
	return 0;
}

/* One fiber plugs it in; others wait, and try themselves when that failed. */
static int need_controller(struct qemu *q, struct deadline d, struct err *e)
{
	int r;

	while (q->plugging)
		if (cond_wait(&q->controller_changed, d, e) < 0)
			return err_wrap(e, "SCSI controller");
	if (q->controller)
		return 0;
	q->plugging = true;
	r = plug_controller(q, d, e);
	q->plugging = false;
	q->controller = r == 0;
	cond_wake_all(&q->controller_changed);
	return r < 0 ? err_wrap(e, "SCSI controller") : 0;
}

/* As configured; of the root ports the last is left for a controller, which has room for all. */
static int take_place(struct disk *disk, struct undo *u, struct deadline d, struct err *e)
{
	struct qemu_device *dev = &disk->device;
	struct qemu *q = dev->hv->driver;
	const char *driver = dev->hv->spec.config->hypervisor.block_device_driver;
	struct err full = ERR_INIT;

	if (strcmp(driver, "virtio-scsi") != 0 &&
	    qemu_device_take_slot(dev, &q->slots, q->controller ? 0 : 1, u, &full) == 0)
		return 0;
	if (need_controller(q, d, e) < 0)
		return -1;
	return qemu_device_take_slot(dev, &q->units, 0, u, e);
}

/* ---- Devices ---- */

static int add_device(struct disk *disk, struct undo *u, struct deadline d, struct err *e)
{
	struct qemu_device *dev = &disk->device;
	const struct config_hypervisor *c = &dev->hv->spec.config->hypervisor;
	struct slot_place place = slot_place(dev->slots, dev->slot);
	auto_free char *queue_size = xasprintf("%" PRIu32, c->queue_size);
	auto_free char *num_queues = xasprintf("%" PRIu32, c->num_queues);
	bool unit = dev->slots->kind == SLOT_UNIT; /* the queues are its controller's */
	auto_free char *arguments =
		json_object("s:driver", place.disk, "s:id", dev->id, "s:drive", disk->node, "s:bus",
			    or_null(place.bus), "s:devno", or_null(place.devno), "o:scsi-id",
			    or_null(place.scsi_id), "o:lun", or_null(place.lun), "o:queue-size",
			    unit ? NULL : queue_size, "o:num-queues", unit ? NULL : num_queues,
			    NULL);

	dev->dev.driver = place.protocol;
	dev->dev.address = xstrdup(place.address);
	return qemu_device_add(dev, arguments, u, d, e);
}

int qemu_plug_disk(struct hv *hv, const struct hv_disk *spec, struct deadline d,
		   struct hv_device **ret, struct err *e)
{
	auto_undo struct undo u = UNDO_INIT;
	struct qemu *q = hv->driver;
	struct disk *disk = xnew(struct disk);
	auto_free char *id = xasprintf("disk%" PRIu64, ++q->last_id);

	qemu_device_init(&disk->device, hv, id);
	disk->device.dev.kind = HV_DEVICE_DISK;
	disk->device.dev.free = disk_free;
	(void)snprintf(disk->node, sizeof(disk->node), "node%" PRIu64, q->last_id);
	undo_push(&u, "disk", free_disk, disk);
	if (take_place(disk, &u, d, e) < 0 || add_node(disk, spec, &u, d, e) < 0 ||
	    add_device(disk, &u, d, e) < 0)
		return -1;
	undo_drop(&u, free_disk, disk);
	undo_move(&disk->device.held, &u);
	*ret = &disk->device.dev;
	return 0;
}

int qemu_grow_disk(struct hv *hv, struct hv_device *dev, uint64_t bytes, struct deadline d,
		   struct err *e)
{
	const struct disk *disk = container_of(dev, struct disk, device.dev);
	const struct qemu *q = hv->driver;
	auto_free char *arguments =
		json_object("s:node-name", disk->node, "u:size", (unsigned long long)bytes, NULL);

	return qmp_call(q->qmp, "block_resize", arguments, -1, d, NULL, NULL, e);
}
