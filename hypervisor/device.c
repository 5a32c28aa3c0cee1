/* SPDX-License-Identifier: Apache-2.0 */
/* Devices of a running VM, whatever runs it: what every driver would have to check; see device.h. */
#include "hypervisor/device.h"

#include <string.h>
#include <sys/stat.h>

#include "common/base/mem.h"
#include "hypervisor/driver.h"

#define SECTOR 512u

static const char *kind_name(enum hv_device_kind kind)
{
	static const char *const names[] = {
		[HV_DEVICE_DISK] = "block",
		[HV_DEVICE_NIC] = "network",
		[HV_DEVICE_VFIO] = "VFIO",
		[HV_DEVICE_VHOST_USER] = "vhost-user",
	};

	return names[kind];
}

static int check_extent(const struct hv_extent *x, struct err *e)
{
	struct stat st;

	if (fstat(x->fd, &st) < 0)
		return err_sys(e, errno, "'%s'", x->name);
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return err_set(e, ERR_INVALID, "'%s' is neither a file nor a block device",
			       x->name);
	if (x->offset % SECTOR != 0)
		return err_set(e, ERR_INVALID, "'%s': offset %llu is not a multiple of %u", x->name,
			       (unsigned long long)x->offset, SECTOR);
	return 0;
}

static int check_disk(const struct hv *hv, const struct hv_disk *disk, struct err *e)
{
	if (!hv->ops->plug_disk)
		return err_set(e, ERR_UNSUPPORTED, "%s cannot plug disks into a running machine",
			       hv->ops->name);
	if (disk->n_extents == 0)
		return err_set(e, ERR_INVALID, "a disk needs a file");
	if (disk->n_extents > 1 && !(hv->ops->caps & HV_CAP_DISK_CONCAT))
		return err_set(e, ERR_UNSUPPORTED, "%s cannot make one disk of several files",
			       hv->ops->name);
	if (!disk->read_only && (disk->shared || disk->n_extents > 1))
		return err_set(e, ERR_INVALID,
			       "a disk that is shared or of several files must be "
			       "read-only");
	for (size_t i = 0; i < disk->n_extents; i++)
		if (check_extent(&disk->extents[i], e) < 0)
			return -1;
	if (hv->dead)
		return err_set(e, ERR_UNAVAILABLE, "%s", hv->why.text);
	return 0;
}

static void begin_call(struct hv *hv)
{
	hv->device_calls++;
}

static void end_call(struct hv *hv)
{
	if (--hv->device_calls == 0)
		cond_wake_all(&hv->device_idle);
}

void hv_wait_device_calls(struct hv *hv)
{
	while (hv->device_calls > 0)
		(void)cond_wait_uncancellable(&hv->device_idle, DEADLINE_NEVER);
}

static void device_free(struct hv_device *dev)
{
	free(dev->address);
	dev->free(dev);
}

void hv_free_devices(struct hv *hv)
{
	while (hv->devices) {
		struct hv_device *dev = hv->devices;

		hv->devices = dev->next;
		device_free(dev);
	}
}

static void forget(struct hv *hv, struct hv_device *dev)
{
	struct hv_device **at = &hv->devices;

	while (*at != dev)
		at = &(*at)->next;
	*at = dev->next;
	device_free(dev);
}

int hv_plug_disk(struct hv *hv, const struct hv_disk *disk, struct deadline d,
		 struct hv_device **ret, struct err *e)
{
	const char *name = disk->n_extents > 0 ? disk->extents[0].name : "";
	int r = check_disk(hv, disk, e);

	if (r == 0) {
		begin_call(hv);
		r = hv->ops->plug_disk(hv, disk, d, ret, e);
		if (r == 0) {
			(*ret)->next = hv->devices;
			hv->devices = *ret;
		} else if (hv_died(hv, e)) {
			(void)err_append(e, "%s", hv->why.text);
		}
		end_call(hv);
	}
	return r < 0 ? err_wrap(e, "plug disk '%s'%s", name,
				disk->n_extents > 1 ? " and others" : "")
		     : 0;
}

const char *hv_device_driver(const struct hv_device *dev)
{
	return dev->driver;
}

const char *hv_device_address(const struct hv_device *dev)
{
	return dev->address;
}

int hv_unplug(struct hv *hv, struct hv_device *dev, struct deadline d, struct err *e)
{
	struct err why = ERR_INIT;
	int r = 0;

	if (dev->unplugging)
		return err_set(e, ERR_STATE, "%s %s is being unplugged already", dev->driver,
			       dev->address);
	if (!hv->dead && !hv->ops->unplug[dev->kind])
		return err_set(e, ERR_UNSUPPORTED, "hot-unplug of %s devices is not supported",
			       kind_name(dev->kind));
	begin_call(hv);
	dev->unplugging = true;
	if (!hv->dead)
		r = hv->ops->unplug[dev->kind](hv, dev, d, &why);
	dev->unplugging = false;
	if (r < 0 && hv_died(hv, &why))
		r = 0;
	if (r == 0) {
		forget(hv, dev);
	} else {
		*e = why;
		(void)err_wrap(e, "unplug %s %s", dev->driver, dev->address);
	}
	end_call(hv);
	return r;
}
