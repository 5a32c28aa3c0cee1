/* SPDX-License-Identifier: Apache-2.0 */
/* Devices of a running VM, whatever runs it: what every driver would have to check; see device.h. */
#include "hypervisor/device.h"

#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "common/base/mem.h"
#include "hypervisor/driver.h"

#define BYTES_MAX (UINT64_C(1) << 62) /* so that a sum of two is a number too */

static uint64_t round_up(uint64_t bytes)
{
	return (bytes + HV_SECTOR - 1) / HV_SECTOR * HV_SECTOR;
}

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

/* Bytes of the file or block device, rounded up to whole sectors. */
static int file_size(const struct hv_extent *x, uint64_t *ret, struct err *e)
{
	uint64_t bytes = 0;
	struct stat st;

	if (fstat(x->fd, &st) < 0)
		return err_sys(e, errno, "'%s'", x->name);
	if (S_ISREG(st.st_mode))
		bytes = (uint64_t)st.st_size;
	else if (!S_ISBLK(st.st_mode))
		return err_set(e, ERR_INVALID, "'%s' is neither a file nor a block device",
			       x->name);
	else if (ioctl(x->fd, BLKGETSIZE64, &bytes) < 0)
		return err_sys(e, errno, "size of '%s'", x->name);
	*ret = round_up(bytes);
	return 0;
}

int hv_extent_length(const struct hv_extent *x, uint64_t *ret, struct err *e)
{
	uint64_t size;

	if (x->offset % HV_SECTOR != 0 || x->offset > BYTES_MAX || x->length > BYTES_MAX)
		return err_set(e, ERR_INVALID, "'%s': no extent of %llu bytes at %llu", x->name,
			       (unsigned long long)x->length, (unsigned long long)x->offset);
	if (file_size(x, &size, e) < 0)
		return -1;
	*ret = round_up(x->length);
	if (x->length == 0)
		*ret = size > x->offset ? size - x->offset : 0;
	if (*ret == 0)
		return err_set(e, ERR_INVALID, "'%s' is empty", x->name);
	return 0;
}

int hv_disk_is_file(const struct hv_disk *disk, struct err *e)
{
	const struct hv_extent *x = disk->extents;
	uint64_t size, length;

	if (disk->n_extents != 1)
		return 0;
	if (file_size(x, &size, e) < 0 || hv_extent_length(x, &length, e) < 0)
		return -1;
	return x->offset == 0 && length == size;
}

static int check_disk(const struct hv *hv, const struct hv_disk *disk, struct err *e)
{
	int is_file;

	if (hv->dead)
		return err_set(e, ERR_UNAVAILABLE, "%s", hv->why.text);
	if (!hv->ops->plug_disk)
		return err_set(e, ERR_UNSUPPORTED, "%s cannot plug disks into a running machine",
			       hv->ops->name);
	if (disk->n_extents == 0)
		return err_set(e, ERR_INVALID, "a disk needs a file");
	is_file = hv_disk_is_file(disk, e);
	if (is_file < 0)
		return -1;
	if (!is_file && !(hv->ops->caps & HV_CAP_DISK_CONCAT))
		return err_set(e, ERR_UNSUPPORTED, "%s cannot make one disk of parts of files",
			       hv->ops->name);
	if (!is_file && (!disk->read_only || disk->direct))
		return err_set(e, ERR_INVALID,
			       "a disk of parts of files must be read-only and "
			       "use the host's page cache");
	if (disk->shared && !disk->read_only)
		return err_set(e, ERR_INVALID, "a disk that is shared must be read-only");
	return 0;
}

void hv_begin_device_call(struct hv *hv)
{
	hv->device_calls++;
}

void hv_end_device_call(struct hv *hv)
{
	if (--hv->device_calls == 0)
		cond_wake_all(&hv->device_idle);
}

void hv_wait_device_calls(struct hv *hv)
{
	while (hv->device_calls > 0)
		(void)cond_wait_uncancellable(&hv->device_idle, DEADLINE_NEVER);
}

void hv_free_devices(struct hv *hv)
{
	while (hv->devices) {
		struct hv_device *dev = hv->devices;

		hv->devices = dev->next;
		dev->free(dev);
	}
}

static void forget(struct hv *hv, struct hv_device *dev)
{
	struct hv_device **at = &hv->devices;

	while (*at != dev)
		at = &(*at)->next;
	*at = dev->next;
	dev->free(dev);
}

/* Behind the driver's call: the device is the machine's, or the error says why there is none. */
static int plugged(struct hv *hv, int result, struct hv_device *dev, struct err *e)
{
	if (result == 0) {
		dev->next = hv->devices;
		hv->devices = dev;
	} else if (hv_died(hv, e)) {
		(void)err_append(e, "%s", hv->why.text);
	}
	return result;
}

int hv_plug_nic(struct hv *hv, const struct hv_nic *nic, const char *name, struct deadline d,
		struct hv_device **ret, struct err *e)
{
	int r;

	if (!hv->ops->plug_nic)
		return err_set(e, ERR_UNSUPPORTED,
			       "plug network interface '%s': %s cannot do that with a running "
			       "machine",
			       name, hv->ops->name);
	if (hv->dead)
		return err_set(e, ERR_UNAVAILABLE, "plug network interface '%s': %s", name,
			       hv->why.text);
	if (nic->kind != HV_NIC_TAP)
		return err_set(e, ERR_UNSUPPORTED,
			       "plug network interface '%s': its kind can be there at boot only",
			       name);
	if (hv_check_nics(nic, 1, e) < 0)
		return err_wrap(e, "plug network interface '%s'", name);
	hv_begin_device_call(hv);
	r = hv->ops->plug_nic(hv, nic, d, ret, e);
	r = plugged(hv, r, r == 0 ? *ret : NULL, e);
	hv_end_device_call(hv);
	return r < 0 ? err_wrap(e, "plug network interface '%s'", name) : 0;
}

int hv_plug_disk(struct hv *hv, const struct hv_disk *disk, struct deadline d,
		 struct hv_device **ret, struct err *e)
{
	const char *name = disk->n_extents > 0 ? disk->extents[0].name : "";
	int r = check_disk(hv, disk, e);

	if (r == 0) {
		hv_begin_device_call(hv);
		r = hv->ops->plug_disk(hv, disk, d, ret, e);
		r = plugged(hv, r, r == 0 ? *ret : NULL, e);
		hv_end_device_call(hv);
	}
	return r < 0 ? err_wrap(e, "plug disk '%s'%s", name,
				disk->n_extents > 1 ? " and others" : "")
		     : 0;
}

int hv_grow_disk(struct hv *hv, struct hv_device *dev, uint64_t bytes, struct deadline d,
		 struct err *e)
{
	int r;

	if (hv->dead)
		return err_set(e, ERR_UNAVAILABLE, "%s", hv->why.text);
	if (!hv->ops->grow_disk)
		return err_set(e, ERR_UNSUPPORTED, "%s cannot grow disks of a running machine",
			       hv->ops->name);
	if (dev->unplugging)
		return err_set(e, ERR_STATE, "%s %s is being unplugged", dev->driver, dev->address);
	hv_begin_device_call(hv);
	/* `dev` may be gone when this returns. */
	r = hv->ops->grow_disk(hv, dev, bytes, d, e);
	if (r < 0)
		(void)err_wrap(e, "grow a disk to %llu bytes", (unsigned long long)bytes);
	hv_end_device_call(hv);
	return r;
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
	hv_begin_device_call(hv);
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
	hv_end_device_call(hv);
	return r;
}
