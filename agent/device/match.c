/* SPDX-License-Identifier: Apache-2.0 */
/* Which device is meant, a row for each kind; see match.h and agent-protocol 4.5. */
#include "agent/device/match.h"

#include <string.h>

#include "common/base/mem.h"
#include "common/base/path.h"

/* What follows `prefix` in s; NULL if s does not begin with it. */
static const char *after(const char *s, const char *prefix)
{
	size_t n = strlen(prefix);

	return s && strncmp(s, prefix, n) == 0 ? s + n : NULL;
}

/* What follows the digits (at least one) at the beginning of s; NULL: there are none. */
static const char *after_digits(const char *s)
{
	size_t n = s ? strspn(s, "0123456789") : 0;

	return n > 0 ? s + n : NULL;
}

/* Exactly one component: a disk, not one of its partitions. */
static bool is_name(const char *s)
{
	return s && s[0] && !strchr(s, '/');
}

static bool match_blk_pci(const struct device_query *q, const char *base, const struct uevent *u)
{
	const char *virtio = after(after(u->devpath, base), "/virtio");

	(void)q;
	return is_name(after(after_digits(virtio), "/block/"));
}

static bool match_blk_name(const struct device_query *q, const char *base, const struct uevent *u)
{
	const char *name = path_base(u->devpath);
	size_t len = strlen("/block/");

	(void)base;
	return strcmp(name, q->name) == 0 && (size_t)(name - u->devpath) >= len &&
	       strncmp(name - len, "/block/", len) == 0;
}

/* "/devices/css0/0.<set>.<number>/<id>/virtio<n>/<class>/<name>" */
static bool match_ccw(const char *id, const char *class, const struct uevent *u)
{
	const char *s = after(u->devpath, "/devices/css0/0.");

	if (!s || s[0] < '0' || s[0] > '3' || s[1] != '.' ||
	    strspn(s + 2, "0123456789abcdef") != 4 || s[6] != '/')
		return false;
	return is_name(after(after_digits(after(after(s + 7, id), "/virtio")), class));
}

static bool match_blk_ccw(const struct device_query *q, const char *base, const struct uevent *u)
{
	(void)base;
	return match_ccw(q->name, "/block/", u);
}

static bool match_net_ccw(const struct device_query *q, const char *base, const struct uevent *u)
{
	(void)base;
	return match_ccw(q->name, "/net/", u);
}

/* ".../<host>:0:<id>:<lun>/block/<name>". The number of the host is the guest's own. */
static bool match_scsi(const struct device_query *q, const char *base, const struct uevent *u)
{
	const char *block = strstr(u->devpath, "/block/");
	auto_free char *address = xasprintf(":0:%u:%u", q->scsi_id, q->scsi_lun);
	auto_free char *device = NULL;
	const char *last;

	(void)base;
	if (!block || !is_name(block + strlen("/block/")))
		return false;
	device = xstrndup(u->devpath, (size_t)(block - u->devpath));
	last = after_digits(path_base(device));
	return last && strcmp(last, address) == 0;
}

static bool match_net_pci(const struct device_query *q, const char *base, const struct uevent *u)
{
	const char *rest = after(u->devpath, base);

	(void)q;
	return rest && rest[0] == '/' && u->interface[0];
}

static char *pci_devpath(const struct device_query *q, const char *base)
{
	(void)q;
	return xstrdup(base);
}

static bool match_pci(const struct device_query *q, const char *base, const struct uevent *u)
{
	(void)q;
	return strcmp(u->devpath, base) == 0;
}

static char *vfio_devpath(const struct device_query *q, const char *base)
{
	(void)base;
	return xasprintf("/devices/virtual/vfio/%s", q->name);
}

static bool match_vfio(const struct device_query *q, const char *base, const struct uevent *u)
{
	const char *name = after(u->devpath, "/devices/virtual/vfio/");

	(void)base;
	return name && strcmp(name, q->name) == 0;
}

const struct device_match *device_match_for(enum device_kind kind)
{
	static const struct device_match rows[] = {
		[DEVICE_BLK_PCI] = { "block device at PCI path", "block", true, NULL,
				     match_blk_pci },
		[DEVICE_BLK_NAME] = { "block device", "block", false, NULL, match_blk_name },
		[DEVICE_BLK_CCW] = { "block device on channel", "block", false, NULL,
				     match_blk_ccw },
		[DEVICE_SCSI] = { "SCSI disk", "block", false, NULL, match_scsi },
		[DEVICE_NET_PCI] = { "network interface at PCI path", "net", true, NULL,
				     match_net_pci },
		[DEVICE_NET_CCW] = { "network interface on channel", "net", false, NULL,
				     match_net_ccw },
		[DEVICE_PCI] = { "device at PCI path", NULL, true, pci_devpath, match_pci },
		[DEVICE_VFIO_GROUP] = { "VFIO group", NULL, false, vfio_devpath, match_vfio },
	};

	return &rows[kind];
}
