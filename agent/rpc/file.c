/* SPDX-License-Identifier: Apache-2.0 */
/* Files and volumes: CopyFile, volume statistics and growth, swap, last words of a container. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/device/watch.h"
#include "agent/guest/copy_file.h"
#include "agent/guest/volume.h"
#include "agent/modules.h"
#include "agent/mount/mount.h"
#include "agent/rpc/handlers.h"
#include "common/async/work.h"
#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "common/base/utf8.h"

#define SHARED_DIR           "shared/containers" /* below the run directory */
#define TERMINATION_LOG      "termination_log"
#define TERMINATION_PATH     "io.kubernetes.container.terminationMessagePath"
#define TERMINATION_DATA_MAX 4096u
#define SLOT_MAX             0x1fu /* of a PCI bus */

struct copy_work {
	const char *root;
	const Grpc__CopyFileRequest *req;
	struct err *e;
	int r;
};

static void copy_now(void *arg)
{
	struct copy_work *w = arg;

	w->r = copy_file(w->root, w->req, w->e);
}

static const char *run_dir(const struct rpc_call *call)
{
	const struct sandbox *sb = call->self;

	return sb->options->run_dir;
}

static char *shared_dir(const struct rpc_call *call)
{
	return path_join(run_dir(call), SHARED_DIR);
}

HANDLER(on_copy_file)
{
	auto_free char *root = shared_dir(call);
	struct copy_work w = { .root = root, .req = req, .e = e };

	(void)resp;
	work_run(copy_now, &w);
	return w.r < 0 ? err_wrap(e, "copy a file") : 0;
}

HANDLER(on_remove_stale_virtiofs_share_mounts)
{
	auto_free char *root = shared_dir(call);

	(void)req;
	(void)resp;
	(void)e;
	volume_refresh_below(root);
	return 0;
}

static Grpc__VolumeUsage *usage_message(const struct volume_usage *from,
					Grpc__VolumeUsage__Unit unit)
{
	Grpc__VolumeUsage *u = xnew(Grpc__VolumeUsage);

	grpc__volume_usage__init(u);
	u->total = from->total;
	u->used = from->used;
	u->available = from->available;
	u->unit = unit;
	return u;
}

HANDLER(on_get_volume_stats)
{
	const Grpc__VolumeStatsRequest *stats = req;
	Grpc__VolumeStatsResponse *answer = resp;
	struct volume_usage bytes, inodes;

	if (volume_usage(run_dir(call), stats->volume_guest_path, &bytes, &inodes, e) < 0)
		return -1;
	answer->n_usage = 2;
	answer->usage = xcalloc(2, sizeof(*answer->usage));
	answer->usage[0] = usage_message(&bytes, GRPC__VOLUME_USAGE__UNIT__BYTES);
	answer->usage[1] = usage_message(&inodes, GRPC__VOLUME_USAGE__UNIT__INODES);
	answer->volume_condition = xnew(Grpc__VolumeCondition);
	grpc__volume_condition__init(answer->volume_condition);
	answer->volume_condition->message = xstrdup("OK");
	return 0;
}

HANDLER(on_resize_volume)
{
	const Grpc__ResizeVolumeRequest *resize = req;

	(void)resp;
	return volume_grow(run_dir(call), resize->volume_guest_path, resize->size, e);
}

HANDLER(on_add_swap)
{
	const Grpc__AddSwapRequest *swap = req;
	const struct sandbox *sb = call->self;
	auto_buf struct buf path = BUF_INIT;
	auto_free char *node = NULL;

	(void)resp;
	if (swap->n_pcipath == 0)
		return err_set(e, ERR_INVALID, "the PCI path is empty");
	for (size_t i = 0; i < swap->n_pcipath; i++) {
		if (swap->pcipath[i] > SLOT_MAX)
			return err_set(e, ERR_INVALID, "%u is no slot of a PCI bus",
				       swap->pcipath[i]);
		buf_addf(&path, "%s%02x", i > 0 ? "/" : "", swap->pcipath[i]);
	}
	if (modules_demand("virtio_blk", e) < 0 ||
	    device_wait_blk(sb->devices, path.data, call->deadline, &node, e) < 0)
		return -1;
	return volume_swap_on(run_dir(call), node, e);
}

HANDLER(on_add_swap_path)
{
	const Grpc__AddSwapPathRequest *swap = req;

	(void)resp;
	return volume_swap_on(run_dir(call), swap->path, e);
}

/* What of a Spec is asked here; the rest of it belongs to others. */
static const char *annotation(const Grpc__Spec *spec, const char *key)
{
	for (size_t i = 0; i < spec->n_annotations; i++)
		if (strcmp(spec->annotations[i]->key, key) == 0)
			return spec->annotations[i]->value;
	return "";
}

static char *termination_file(const struct container *c)
{
	Grpc__Spec *spec = grpc__spec__unpack(NULL, c->spec_len, c->spec);
	char *source = NULL;

	for (size_t i = 0; spec && i < spec->n_mounts && !source; i++)
		if (strcmp(spec->mounts[i]->destination, annotation(spec, TERMINATION_PATH)) == 0)
			source = xstrdup(spec->mounts[i]->source);
	if (spec)
		grpc__spec__free_unpacked(spec, NULL);
	return source;
}

/* The container writes this file: it is any bytes, and need not be a file. */
static char *read_termination_file(const char *dir, const char *path)
{
	struct err ignored = ERR_INIT;
	auto_close int place = host_path_open(dir, path, O_NOFOLLOW, &ignored);
	char *text = xcalloc(1, TERMINATION_DATA_MAX + 1);
	auto_close int fd = -1;
	char opened[FD_PATH_MAX];
	struct stat st;

	if (place >= 0 && fstat(place, &st) == 0 && S_ISREG(st.st_mode))
		fd = open(fd_path(place, opened), O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read_full(fd, text, TERMINATION_DATA_MAX) < 0)
		text[0] = '\0';
	utf8_clean(text);
	return text;
}

HANDLER(on_get_diagnostic_data)
{
	const Grpc__GetDiagnosticDataRequest *ask = req;
	Grpc__GetDiagnosticDataResponse *answer = resp;
	auto_free char *path = NULL;

	if (strcmp(ask->log_type, TERMINATION_LOG) != 0)
		return err_set(e, ERR_INVALID, "'%s' is no kind of diagnostic data", ask->log_type);
	path = termination_file(call->target);
	answer->data = path ? read_termination_file(run_dir(call), path) : xstrdup("");
	return 0;
}

HANDLER(on_update_ephemeral_mounts)
{
	const Grpc__UpdateEphemeralMountsRequest *update = req;

	(void)resp;
	for (size_t i = 0; i < update->n_storages; i++)
		if (storage_update_ephemeral(run_dir(call), update->storages[i], e) < 0)
			return err_wrap(e, "storage at '%s'", update->storages[i]->mount_point);
	return 0;
}
