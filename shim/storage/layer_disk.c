/* SPDX-License-Identifier: Apache-2.0 */
/* Putting a disk together from layers; see layer_disk.h. */
#include "shim/storage/layer_disk.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "shim/storage/erofs_devices.h"
#include "shim/storage/gpt.h"
#include "shim/storage/layer_verity.h"

/* One file, and where in its layer it lies. */
struct piece {
	int fd;
	const char *name;
	uint64_t start, bytes;
};

struct pieces {
	struct piece *of;
	size_t n;
};

static uint64_t whole_sectors(uint64_t bytes)
{
	return (bytes + GPT_SECTOR - 1) / GPT_SECTOR * GPT_SECTOR;
}

static void keep_fd(struct layer_disk *d, int fd)
{
	d->fds = xrealloc(d->fds, (d->n_fds + 1) * sizeof(d->fds[0]));
	d->fds[d->n_fds++] = fd;
}

static void add_piece(struct pieces *p, int fd, const char *name, uint64_t start, uint64_t bytes)
{
	p->of = xrealloc(p->of, (p->n + 1) * sizeof(p->of[0]));
	p->of[p->n++] = (struct piece){ .fd = fd, .name = name, .start = start, .bytes = bytes };
}

static int open_file(struct layer_disk *d, const char *path, struct disk_file *ret, struct err *e)
{
	if (disk_file_open(path, true, ret, e) < 0)
		return -1;
	keep_fd(d, ret->fd);
	if (ret->is_device)
		return err_set(e, ERR_INVALID, "'%s' is no regular file", path);
	return 0;
}

/* How the file is verified, by the metadata that its mount names or that lies beside it. */
static int take_verity(struct layer *l, const char *named, const struct disk_file *f, struct err *e)
{
	auto_free char *beside = NULL;

	if (!named && l->from->more && layer_verity_beside(f->name, &beside, e) < 0)
		return -1;
	l->verified = named || beside;
	return l->verified ? layer_verity_read(named ? named : beside, f, &l->verity, e) : 0;
}

/* One more partition, for a blob of the image in partition `image`. */
static int add_blob(struct layer_disk *d, size_t image, const struct disk_file *blob,
		    struct pieces *p, struct err *e)
{
	struct layer *l = &d->layers[d->n_layers];

	l->from = d->layers[image - 1].from;
	l->blob_of = image;
	add_piece(&p[d->n_layers++], blob->fd, blob->name, 0, blob->bytes);
	return take_verity(l, NULL, blob, e);
}

/* Behind those before it, in the partition of its image. The tree cannot follow it there. */
static int place_blob(const struct erofs_device *device, const struct disk_file *blob,
		      uint64_t *end, struct pieces *p, struct err *e)
{
	auto_free char *metadata = NULL;

	if (device->start < *end)
		return err_set(e, ERR_INVALID, "the image has no place for it");
	if (layer_verity_beside(blob->name, &metadata, e) < 0)
		return -1;
	if (metadata)
		return err_set(e, ERR_UNSUPPORTED,
			       "'%s' is there, and the guest's agent cannot verify blobs",
			       metadata);
	add_piece(p, blob->fd, blob->name, device->start, device->bytes);
	*end = device->start + whole_sectors(device->bytes);
	return 0;
}

static int open_blobs(struct layer_disk *d, const struct disk_file *image, bool apart,
		      struct pieces *p, struct err *e)
{
	size_t number = d->n_layers;
	char *const *more = d->layers[number - 1].from->more;
	size_t n = strv_len((const char *const *)more);
	auto_free struct erofs_device *device = NULL;
	uint64_t end = whole_sectors(image->bytes);

	if (erofs_devices_read(image, n, &device, e) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		struct disk_file blob;
		int r;

		if (open_file(d, more[i], &blob, e) < 0)
			return -1;
		if (device[i].bytes == 0 || device[i].bytes > blob.bytes)
			r = err_set(e, ERR_INVALID, "the image uses %" PRIu64 " bytes of it",
				    device[i].bytes);
		else if (apart)
			r = add_blob(d, number, &blob, p, e);
		else
			r = place_blob(&device[i], &blob, &end, &p[number - 1], e);
		if (r < 0)
			return err_wrap(e, "blob '%s'", more[i]);
	}
	return 0;
}

static int open_layer(struct layer_disk *d, const struct rootfs_disk *from, bool blobs_apart,
		      struct pieces *p, struct err *e)
{
	struct layer *l = &d->layers[d->n_layers];
	struct disk_file image;

	if (open_file(d, from->file, &image, e) < 0)
		return -1;
	l->from = from;
	add_piece(&p[d->n_layers++], image.fd, from->file, 0, image.bytes);
	if (take_verity(l, from->verity, &image, e) < 0)
		return -1;
	if (!from->more)
		return 0;
	if (l->verified && !blobs_apart)
		return err_set(e, ERR_UNSUPPORTED,
			       "the guest's agent cannot verify a merged image");
	if (!l->verified)
		log_info("nothing verifies the merged image '%s' itself", from->file);
	return open_blobs(d, &image, blobs_apart, p, e);
}

static uint64_t bytes_of(const struct pieces *p)
{
	const struct piece *last = &p->of[p->n - 1];

	return last->start + last->bytes;
}

static void add_extent(struct layer_disk *d, int fd, const char *name, uint64_t length)
{
	d->extents = xrealloc(d->extents, (d->n_extents + 1) * sizeof(d->extents[0]));
	d->extents[d->n_extents++] = (struct hv_extent){ .fd = fd, .name = name, .length = length };
}

/* Memory with these bytes at its beginning, as a file that can only be read: the VMM insists. */
static int memory_file(struct layer_disk *d, const char *name, const uint8_t *data, size_t len,
		       struct err *e)
{
	auto_close int writable = memfd_create(name, MFD_CLOEXEC);
	char path[FD_PATH_MAX];
	int fd;

	if (writable < 0)
		return err_sys(e, errno, "make room for the %s", name);
	if (write_all(writable, data, len) < 0)
		return err_sys(e, errno, "write the %s", name);
	fd = open(fd_path(writable, path), O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, errno, "open the %s", name);
	keep_fd(d, fd);
	return fd;
}

/* The files of a layer from `at` on the disk to `end`; what a file does not fill reads as zeros. */
static void add_pieces(struct layer_disk *d, const struct pieces *p, uint64_t end)
{
	for (size_t i = 0; i < p->n; i++) {
		uint64_t until = i + 1 < p->n ? p->of[i + 1].start : end;

		add_extent(d, p->of[i].fd, p->of[i].name, until - p->of[i].start);
	}
}

/* "erofs-<index>-s<snapshot>": the snapshot is the directory that the layer is in. */
static char *partition_name(size_t index, const char *file)
{
	const char *base = path_base(file);
	auto_free char *dir = base > file ? xstrndup(file, (size_t)(base - file) - 1) : xstrdup("");

	return xasprintf("erofs-%zu-s%s", index, path_base(dir));
}

static int add_tables(struct layer_disk *d, const struct gpt_partition *part, size_t n,
		      uint64_t tail, int *ret_head, int *ret_tail, struct err *e)
{
	auto_free uint8_t *head = xmalloc(GPT_HEAD_BYTES);
	auto_free uint8_t *backup = xmalloc(GPT_TAIL_BYTES);
	uint8_t id[16];

	if (getrandom(id, sizeof(id), 0) != sizeof(id))
		return err_sys(e, errno, "make an id for the disk");
	gpt_write(part, n, tail, id, head, backup);
	*ret_head = memory_file(d, "partition table", head, GPT_HEAD_BYTES, e);
	if (*ret_head < 0)
		return -1;
	*ret_tail = memory_file(d, "backup of the partition table", backup, GPT_TAIL_BYTES, e);
	return *ret_tail < 0 ? -1 : 0;
}

static int make_partitions(struct layer_disk *d, const struct pieces *p, struct err *e)
{
	auto_free struct gpt_partition *part = xcalloc(d->n_layers, sizeof(part[0]));
	int head, backup;
	uint64_t tail;

	for (size_t i = 0; i < d->n_layers; i++) {
		auto_free char *name = partition_name(i, p[i].of[0].name);

		strv_add(&d->names, name);
		part[i].bytes = bytes_of(&p[i]);
		part[i].name = d->names[i];
	}
	if (gpt_lay_out(part, d->n_layers, &tail, e) < 0 ||
	    add_tables(d, part, d->n_layers, tail, &head, &backup, e) < 0)
		return -1;
	add_extent(d, head, "the partition table", part[0].start);
	for (size_t i = 0; i < d->n_layers; i++)
		add_pieces(d, &p[i],
			   (i + 1 < d->n_layers ? part[i + 1].start : tail) - part[i].start);
	add_extent(d, backup, "the partition table", GPT_TAIL_BYTES);
	d->partitioned = true;
	return 0;
}

static int open_all(const struct rootfs_disk *layer, size_t n, bool blobs_apart,
		    struct layer_disk *d, struct pieces *p, struct err *e)
{
	for (size_t i = 0; i < n; i++)
		if (open_layer(d, &layer[i], blobs_apart, p, e) < 0)
			return err_wrap(e, "layer %zu of %zu, '%.300s'", i + 1, n, layer[i].file);
	if (d->n_layers > 1)
		return make_partitions(d, p, e);
	if (p[0].n == 1)
		add_extent(d, p[0].of[0].fd, p[0].of[0].name, 0);
	else
		add_pieces(d, &p[0], whole_sectors(bytes_of(&p[0])));
	return 0;
}

/* How many partitions these layers need. */
static size_t count_partitions(const struct rootfs_disk *layer, size_t n, bool blobs_apart)
{
	size_t parts = n;

	for (size_t i = 0; blobs_apart && i < n; i++)
		parts += strv_len((const char *const *)layer[i].more);
	return parts;
}

int layer_disk_open(const struct rootfs_disk *layer, size_t n, bool blobs_apart,
		    struct layer_disk *ret, struct err *e)
{
	size_t parts = count_partitions(layer, n, blobs_apart);
	struct layer_disk d = { .n_layers = 0 };
	struct pieces *p;
	int r;

	if (parts > ROOTFS_LAYERS_MAX)
		return err_set(e, ERR_EXHAUSTED, "%zu layers and blobs, at most %u", parts,
			       ROOTFS_LAYERS_MAX);
	p = xcalloc(parts, sizeof(p[0]));
	d.layers = xcalloc(parts, sizeof(d.layers[0]));
	r = open_all(layer, n, blobs_apart, &d, p, e);
	for (size_t i = 0; i < parts; i++)
		free(p[i].of);
	free(p);
	if (r < 0)
		layer_disk_close(&d);
	else
		*ret = d;
	return r;
}

void layer_disk_close(struct layer_disk *d)
{
	for (size_t i = 0; i < d->n_fds; i++)
		(void)close(d->fds[i]);
	free(d->fds);
	free(d->extents);
	free(d->layers);
	strv_free(d->names);
	*d = (struct layer_disk){ .n_fds = 0 };
}
