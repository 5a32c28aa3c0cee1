/* SPDX-License-Identifier: Apache-2.0 */
/* Direct volumes of containers that run: how full they are, and growing them. */
#include <inttypes.h>
#include <string.h>

#include "common/base/mem.h"
#include "shim/sandbox/state.h"
#include "shim/storage/volume_disk.h"

static const struct direct_mount *find(const struct sandbox *s, const char *source, struct err *e)
{
	const struct direct_mount *m = volume_disk_find(&s->disks, source);

	if (!m)
		err_set(e, ERR_NOT_FOUND, "no container of sandbox %s has the direct volume '%s'",
			s->id, source);
	return m;
}

int sandbox_volume_stats(struct sandbox *s, const char *source, struct deadline d,
			 Grpc__VolumeStatsResponse **ret, struct err *e)
{
	const struct direct_mount *m = find(s, source, e);
	auto_free char *path = m ? xstrdup(m->path) : NULL;
	int r;

	if (!m)
		return -1;
	sandbox_enter(s);
	r = agent_volume_stats(s->agent, path, sandbox_request_deadline(s, d), ret, e);
	sandbox_leave(s);
	return r;
}

/* The disk is as large as its file: what grew that on the host may have grown it by more. */
static int disk_bytes(const struct direct_mount *m, uint64_t wanted, uint64_t *ret, struct err *e)
{
	struct disk_file f = DISK_FILE_NONE;
	int r = 0;

	if (disk_file_open(m->device, true, &f, e) < 0)
		return -1;
	*ret = f.bytes > wanted ? f.bytes : wanted;
	if (f.is_device && f.bytes < wanted)
		r = err_set(e, ERR_STATE,
			    "'%s' has %" PRIu64 " bytes: the host must grow it before the guest",
			    m->device, f.bytes);
	disk_file_close(&f);
	return r;
}

int sandbox_volume_grow(struct sandbox *s, const char *source, uint64_t bytes, struct deadline d,
			struct err *e)
{
	const struct direct_mount *m = find(s, source, e);
	auto_free char *path = m ? xstrdup(m->path) : NULL;
	uint64_t disk;
	int r;

	if (!m)
		return -1;
	if (m->read_only)
		return err_set(e, ERR_STATE, "the volume '%s' is read-only", source);
	if (!s->disks.hv)
		return err_set(e, ERR_UNAVAILABLE, "the VM is gone");
	if (disk_bytes(m, bytes, &disk, e) < 0)
		return -1;
	sandbox_enter(s);
	/* The handle is the container's, which must not change it; growing is the volume's. */
	r = hv_grow_disk(s->disks.hv, (struct hv_device *)(uintptr_t)m->plugged, disk, d, e);
	if (r == 0)
		r = agent_resize_volume(s->agent, path, bytes, sandbox_request_deadline(s, d), e);
	sandbox_leave(s);
	return r;
}
