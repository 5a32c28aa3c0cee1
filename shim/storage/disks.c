/* SPDX-License-Identifier: Apache-2.0 */
/* Disks that come and go with containers; see disks.h. */
#include "shim/storage/disks.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "common/async/fiber.h"
#include "common/base/log.h"
#include "common/base/mem.h"

#define UNPLUG_MS 15000 /* a guest has 10 s to let go; then the VMM's own calls */

struct plugged {
	struct disks *disks;
	struct hv_device *device;
};

static void undo_plug(void *arg)
{
	struct plugged *p = arg;
	struct err e = ERR_INIT;

	/* A disk that stays is seen by nobody and ends with the VM; its slot and files are held so long. */
	if (p->disks->hv && hv_unplug(p->disks->hv, p->device, deadline_in_ms(UNPLUG_MS), &e) < 0)
		log_warn("a disk stays in the guest: %s", e.text);
	free(p);
}

/* Whole files alone: what is put together goes through the page cache. */
static bool make_direct(const struct hv_disk *disk)
{
	const struct hv_extent *x = disk->extents;
	int flags = fcntl(x->fd, F_GETFL);

	if (disk->n_extents != 1 || x->offset != 0 || x->length != 0)
		return false;
	if (flags >= 0 && fcntl(x->fd, F_SETFL, flags | O_DIRECT) == 0)
		return true;
	log_info("'%s' is read and written through the page cache: %s", x->name, strerror(errno));
	return false;
}

int disks_plug(struct disks *t, const struct hv_disk *disk, struct deadline d, struct undo *u,
	       const struct hv_device **ret, struct err *e)
{
	struct hv_disk wanted = *disk;
	struct hv_device *device;
	struct plugged *p;

	if (!t->hv)
		return err_set(e, ERR_UNAVAILABLE, "the VM is gone");
	wanted.direct = t->direct && make_direct(disk);
	if (hv_plug_disk(t->hv, &wanted, d, &device, e) < 0)
		return -1;
	p = xnew(struct plugged);
	p->disks = t;
	p->device = device;
	undo_push(u, "disk", undo_plug, p);
	*ret = device;
	return 0;
}

/* One that has users, or is on its way in or out (then there is nobody to hand it to yet). */
struct shared_disk {
	struct shared_disk *next;
	struct disks *disks;
	dev_t device;
	ino_t inode;
	bool read_only;
	unsigned users;
	bool busy;
	struct cond idle;
	const struct hv_device *plugged;
	struct undo undo;
};

static struct shared_disk *shared_find(const struct disks *t, const struct disk_file *f,
				       bool read_only)
{
	for (struct shared_disk *s = t->shared; s; s = s->next)
		if (s->device == f->device && s->inode == f->inode && s->read_only == read_only)
			return s;
	return NULL;
}

static void shared_forget(struct shared_disk *s)
{
	struct shared_disk **at = &s->disks->shared;

	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	cond_wake_all(&s->idle);
	free(s);
}

static void undo_share(void *arg)
{
	struct shared_disk *s = arg;

	if (--s->users > 0)
		return;
	s->busy = true;
	undo_run(&s->undo);
	shared_forget(s);
}

static int plug_first(struct disks *t, const struct disk_file *f, bool read_only, struct deadline d,
		      struct shared_disk **ret, struct err *e)
{
	const struct hv_extent extent = { .fd = f->fd, .name = f->name };
	const struct hv_disk disk = { .extents = &extent, .n_extents = 1, .read_only = read_only };
	struct shared_disk *s = xnew(struct shared_disk);

	s->disks = t;
	s->device = f->device;
	s->inode = f->inode;
	s->read_only = read_only;
	s->busy = true;
	s->next = t->shared;
	t->shared = s;
	if (disks_plug(t, &disk, d, &s->undo, &s->plugged, e) < 0) {
		shared_forget(s);
		return -1;
	}
	s->busy = false;
	cond_wake_all(&s->idle);
	*ret = s;
	return 0;
}

int disks_plug_shared(struct disks *t, const struct disk_file *f, bool read_only, struct deadline d,
		      struct undo *u, const struct hv_device **ret, struct err *e)
{
	struct shared_disk *s;

	while ((s = shared_find(t, f, read_only)) && s->busy)
		if (cond_wait(&s->idle, d, e) < 0)
			return err_wrap(e, "wait for the disk '%s'", f->name);
	if (!s && plug_first(t, f, read_only, d, &s, e) < 0)
		return -1;
	s->users++;
	undo_push(u, "volume", undo_share, s);
	*ret = s->plugged;
	return 0;
}
