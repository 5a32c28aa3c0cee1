/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The steps of dm.h by the kernel's interface (linux/dm-ioctl.h): for a program that is linked
 * statically, where the system has libdevmapper as a shared library only.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "common/base/mem.h"
#include "common/verity/dm.h"

#define MAPPER_DIR "/dev/mapper"
#define CONTROL    MAPPER_DIR "/control"

/* linux/miscdevice.h: MISC_MAJOR, MAPPER_CTRL_MINOR. */
#define CONTROL_MAJOR 10
#define CONTROL_MINOR 236

/* Every 4.x driver takes it. */
static const uint32_t version[3] = { 4, 0, 0 };

static void header(struct dm_ioctl *h, const char *name, uint32_t flags, size_t bytes)
{
	memset(h, 0, sizeof(*h));
	memcpy(h->version, version, sizeof(version));
	h->data_size = (uint32_t)bytes;
	h->data_start = sizeof(*h);
	h->flags = flags;
	if (name)
		(void)snprintf(h->name, sizeof(h->name), "%s", name);
}

/* The kernel rewrites the header. */
static int call(unsigned long request, struct dm_ioctl *h)
{
	auto_close int fd = open(CONTROL, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return errno;
	return ioctl(fd, request, h) < 0 ? errno : 0;
}

int dm_prepare(void)
{
	struct dm_ioctl h;

	/* devtmpfs has it where the driver is there; a guest may have a /dev of its own. */
	if (mkdir(MAPPER_DIR, 0755) < 0 && errno != EEXIST)
		return errno;
	if (mknod(CONTROL, S_IFCHR | 0600, makedev(CONTROL_MAJOR, CONTROL_MINOR)) < 0 &&
	    errno != EEXIST)
		return errno;
	header(&h, NULL, 0, sizeof(h));
	return call(DM_VERSION, &h);
}

int dm_create(const char *name, dev_t *ret)
{
	struct dm_ioctl h;
	int sys;

	header(&h, name, DM_READONLY_FLAG, sizeof(h));
	sys = call(DM_DEV_CREATE, &h);
	if (sys == 0)
		*ret = (dev_t)h.dev;
	return sys;
}

int dm_load(const char *name, uint64_t sectors, const char *table)
{
	size_t len = strlen(table) + 1;
	size_t spec_bytes = (sizeof(struct dm_target_spec) + len + 7) / 8 * 8;
	size_t bytes = sizeof(struct dm_ioctl) + spec_bytes;
	auto_free char *message = xcalloc(1, bytes);
	struct dm_ioctl h;
	struct dm_target_spec spec = {
		.length = sectors,
		.next = (uint32_t)spec_bytes,
		.target_type = "verity",
	};

	header(&h, name, DM_READONLY_FLAG, bytes);
	h.target_count = 1;
	memcpy(message, &h, sizeof(h));
	memcpy(message + sizeof(h), &spec, sizeof(spec));
	memcpy(message + sizeof(h) + sizeof(spec), table, len);
	return call(DM_TABLE_LOAD, (struct dm_ioctl *)(void *)message);
}

int dm_resume(const char *name)
{
	struct dm_ioctl h;

	/* Without its flag this call is the opposite of what it is called. */
	header(&h, name, 0, sizeof(h));
	return call(DM_DEV_SUSPEND, &h);
}

int dm_remove(const char *name, bool deferred)
{
	struct dm_ioctl h;

	header(&h, name, deferred ? DM_DEFERRED_REMOVE : 0, sizeof(h));
	return call(DM_DEV_REMOVE, &h);
}
