/* SPDX-License-Identifier: Apache-2.0 */
/* Root file systems that the guest mounts itself; see rootfs_guest.h. */
#include "shim/storage/rootfs_guest.h"

#include <string.h>

#include "common/async/fiber.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "shim/storage/layer_disk.h"

#define GUEST_DIR "/run/kata-containers" /* of containers, in the agent; agent-protocol 3.3 */

/* Options of a storage that are for the agent (verity-erofs.md 3.1). */
#define MEMBER      "X-kata.multi-layer=true"
#define UPPER       "X-kata.overlay-upper"
#define LOWER       "X-kata.overlay-lower"
#define PARTITIONED "X-kata.gpt-partitioned=true"
#define PARTITION   "X-kata.partition-number"

/* husk's own, for agents with AGENT_FEATURE_BLOB_PARTITIONS. */
#define BLOB_OF "X-husk.blob-of-partition"

/* Likewise with AGENT_FEATURE_UPPER_DIRECTORY: their names in the directory that is the source. */
#define UPPER_DIRECTORY "X-husk.upper-directory="
#define WORK_DIRECTORY  "X-husk.work-directory="

/* A disk on its way into the guest, in a fiber of its own. */
struct attaching {
	struct disks *disks;
	struct hv_disk disk;
	struct deadline d;
	struct undo undo;
	const struct hv_device *device; /* NULL: it failed, or there is none */
	struct err e;
};

struct attach {
	const struct rootfs_plan *plan;
	struct disk_file writable;     /* of the disk that is written to */
	struct hv_extent extent;       /* of it */
	struct layer_disk layers;      /* of layers */
	struct attaching upper, lower; /* the one and the other */
};

static void run_attach(void *arg)
{
	struct attaching *a = arg;

	if (disks_plug(a->disks, &a->disk, a->d, &a->undo, &a->device, &a->e) < 0)
		a->device = NULL;
}

static int open_writable(struct attach *a, const struct rootfs_disk *from, struct deadline d,
			 struct err *e)
{
	if (from->make_bytes > 0 &&
	    disk_file_make(from->file, from->fstype, from->make_bytes, from->make_uuid, d, e) < 0)
		return -1;
	if (disk_file_open(from->file, from->read_only, &a->writable, e) < 0)
		return -1;
	if (!a->writable.is_device && !from->is_image)
		return err_set(e, ERR_INVALID, "'%s' is no block device, and there is no \"loop\"",
			       from->file);
	a->extent = (struct hv_extent){ .fd = a->writable.fd, .name = from->file };
	a->upper.disk = (struct hv_disk){
		.extents = &a->extent,
		.n_extents = 1,
		.read_only = from->read_only,
		.shared = from->read_only,
		.discard = !from->read_only,
	};
	return 0;
}

static int open_layers(struct attach *a, const struct rootfs_plan *p, struct err *e)
{
	if (layer_disk_open(p->layer, p->n_layers, p->blobs_apart, &a->layers, e) < 0)
		return -1;
	a->lower.disk = (struct hv_disk){
		.extents = a->layers.extents,
		.n_extents = a->layers.n_extents,
		.read_only = true,
		.shared = true,
	};
	return 0;
}

static bool is_layer(const struct rootfs_disk *d)
{
	return strcmp(d->fstype, "erofs") == 0;
}

static int open_all(struct attach *a, struct deadline d, struct err *e)
{
	const struct rootfs_plan *p = a->plan;

	if (p->n_layers > 0 && is_layer(&p->layer[0]) && open_layers(a, p, e) < 0)
		return -1;
	if (p->n_layers > 0 && !is_layer(&p->layer[0]))
		return open_writable(a, &p->layer[0], d, e);
	return p->has_writable ? open_writable(a, &p->writable, d, e) : 0;
}

/* Side by side. The first error is the one that is told. */
static int plug_all(struct attach *a, struct disks *disks, struct deadline d, struct undo *u,
		    struct err *e)
{
	struct attaching *both[] = { &a->upper, &a->lower };
	struct fiber_group g = FIBER_GROUP_INIT;
	int r = 0;

	for (size_t i = 0; i < ARRAY_LEN(both); i++) {
		both[i]->disks = disks;
		both[i]->d = d;
		if (both[i]->disk.n_extents > 0)
			fiber_group_start(&g, "disk", run_attach, both[i]);
	}
	fiber_group_wait(&g);
	for (size_t i = 0; i < ARRAY_LEN(both); i++) {
		undo_move(u, &both[i]->undo);
		if (both[i]->disk.n_extents == 0 || both[i]->device || r < 0)
			continue;
		*e = both[i]->e;
		r = -1;
	}
	return r;
}

static Grpc__Storage *add(struct guest_request *r, const struct hv_device *device,
			  const struct rootfs_disk *from, const char *mount_point)
{
	Grpc__Storage *s =
		guest_request_add_storage(r, hv_device_driver(device), hv_device_address(device),
					  from->fstype, mount_point);

	for (size_t i = 0; from->options && from->options[i]; i++)
		guest_storage_add_option(s, from->options[i]);
	return s;
}

static void add_verity(Grpc__Storage *s, const struct layer *l)
{
	auto_strv char **words = NULL;

	if (!l->verified)
		return;
	verity_options_add(&l->verity, &words);
	for (size_t i = 0; words[i]; i++)
		guest_storage_add_option(s, words[i]);
}

static void add_number(Grpc__Storage *s, const char *option, size_t number)
{
	auto_free char *word = xasprintf("%s=%zu", option, number);

	guest_storage_add_option(s, word);
}

static void request_upper_directory(const struct rootfs_plan *p, const char *path,
				    struct guest_request *r)
{
	auto_free char *upper = xasprintf(UPPER_DIRECTORY "%s", path_base(p->upper_on_host));
	auto_free char *work = xasprintf(WORK_DIRECTORY "%s", path_base(p->work_on_host));
	Grpc__Storage *s = guest_request_add_storage(r, "bind", p->upper_in_guest, "bind", path);

	guest_storage_add_option(s, "bind");
	guest_storage_add_option(s, UPPER);
	guest_storage_add_option(s, MEMBER);
	guest_storage_add_option(s, upper);
	guest_storage_add_option(s, work);
}

static void request_layers(const struct attach *a, const char *path, struct guest_request *r)
{
	const struct rootfs_plan *p = a->plan;

	if (p->has_writable) {
		Grpc__Storage *s = add(r, a->upper.device, &p->writable, path);

		guest_storage_add_option(s, UPPER);
		guest_storage_add_option(s, MEMBER);
		for (size_t i = 0; p->mkdirs && p->mkdirs[i]; i++) {
			auto_free char *word =
				xasprintf("X-kata.mkdir.path={{ mount 0 }}/%s:0755", p->mkdirs[i]);

			guest_storage_add_option(s, word);
		}
	}
	if (p->upper_in_guest)
		request_upper_directory(p, path, r);
	for (size_t i = 0; i < a->layers.n_layers; i++) {
		const struct layer *l = &a->layers.layers[i];
		Grpc__Storage *s = add(r, a->lower.device, l->from, path);

		if (l->blob_of > 0)
			add_number(s, BLOB_OF, l->blob_of);
		else
			guest_storage_add_option(s, LOWER);
		guest_storage_add_option(s, MEMBER);
		if (a->layers.partitioned) {
			guest_storage_add_option(s, PARTITIONED);
			add_number(s, PARTITION, i + 1);
		}
		add_verity(s, l);
	}
}

/* The image is mounted beside the root file system, which is a directory of it. */
static void request_directory(const struct attach *a, const char *container, const char *path,
			      struct guest_request *r)
{
	auto_free char *image = xasprintf(GUEST_DIR "/%s/writable", container);
	auto_free char *directory = xasprintf("%s/%s", image, a->plan->directory);

	(void)add(r, a->upper.device, &a->plan->writable, image);
	guest_storage_add_option(guest_request_add_storage(r, "local", "local", "local", directory),
				 "mode=0755");
	(void)guest_request_add_storage(r, "bind", directory, "bind", path);
}

static void request(const struct attach *a, const char *container, const char *path,
		    struct guest_request *r)
{
	const struct rootfs_disk *first = a->plan->layer;

	if (a->plan->way == ROOTFS_LAYERS)
		request_layers(a, path, r);
	else if (a->plan->way == ROOTFS_WRITABLE_DIRECTORY)
		request_directory(a, container, path, r);
	else if (is_layer(first))
		add_verity(add(r, a->lower.device, first, path), &a->layers.layers[0]);
	else
		(void)add(r, a->upper.device, first, path);
}

int rootfs_guest_attach(const struct rootfs_plan *p, const char *container, struct disks *disks,
			struct deadline d, struct undo *u, struct guest_request *r, char **ret_path,
			struct err *e)
{
	struct attach *a = xnew(struct attach);
	int result;

	a->plan = p;
	a->writable = DISK_FILE_NONE;
	if (p->upper_on_host && !p->upper_in_guest)
		log_info("what container '%s' writes is kept in the guest's memory, not in '%s': "
			 "virtio_fs_upper_layers is not set",
			 container, p->upper_on_host);
	result = open_all(a, d, e);
	if (result == 0)
		result = plug_all(a, disks, d, u, e);
	if (result == 0) {
		*ret_path = xasprintf(GUEST_DIR "/%s/rootfs", container);
		request(a, container, *ret_path, r);
	}
	disk_file_close(&a->writable);
	layer_disk_close(&a->layers);
	free(a);
	return result < 0 ? err_wrap(e, "root file system on disks") : 0;
}
