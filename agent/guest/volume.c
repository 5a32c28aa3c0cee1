/* SPDX-License-Identifier: Apache-2.0 */
/* Mounted volumes and swap; see volume.h. */
#include "agent/guest/volume.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/swap.h>
#include <unistd.h>

#include "agent/device/node.h"
#include "agent/mount/host_path.h"
#include "common/async/work.h"
#include "common/base/mem.h"
#include "common/base/mountinfo.h"
#include "common/base/path.h"

/* A server of a share may take its time to answer: on the worker pool. */
struct stat_work {
	const char *run_dir, *path;
	struct statfs fs;
	struct stat st;
	int fd; /* O_PATH */
	struct err e;
};

static void stat_now(void *arg)
{
	struct stat_work *w = arg;

	w->fd = host_path_open(w->run_dir, w->path, 0, &w->e);
	if (w->fd >= 0 && (fstat(w->fd, &w->st) < 0 || fstatfs(w->fd, &w->fs) < 0))
		err_sys(&w->e, errno, "look at '%s'", w->path);
}

/* Returns an O_PATH descriptor of it. */
static int stat_path(const char *run_dir, const char *path, struct stat_work *ret, struct err *e)
{
	*ret = (struct stat_work){ .run_dir = run_dir, .path = path, .fd = -1, .e = ERR_INIT };
	if (!path_is_clean(path))
		return err_set(e, ERR_INVALID, "'%s' is no absolute path", path);
	work_run(stat_now, ret);
	if (ret->e.code == ERR_NONE)
		return ret->fd;
	if (ret->fd >= 0)
		(void)close(ret->fd);
	*e = ret->e;
	return -1;
}

int volume_usage(const char *run_dir, const char *path, struct volume_usage *ret_bytes,
		 struct volume_usage *ret_inodes, struct err *e)
{
	struct stat_work w;
	auto_close int fd = stat_path(run_dir, path, &w, e);
	uint64_t block;

	if (fd < 0)
		return -1;
	block = (uint64_t)w.fs.f_bsize;
	*ret_bytes = (struct volume_usage){
		.total = w.fs.f_blocks * block,
		.used = (w.fs.f_blocks - w.fs.f_bfree) * block,
		.available = w.fs.f_bfree * block,
	};
	*ret_inodes = (struct volume_usage){
		.total = w.fs.f_files,
		.used = w.fs.f_files - w.fs.f_ffree,
		.available = w.fs.f_ffree,
	};
	return 0;
}

/* *ret: the bytes of the disk, which has `size` of them or more. */
static int check_disk(const char *node, uint64_t size, uint64_t *ret, struct err *e)
{
	auto_close int fd = open(node, O_RDONLY | O_CLOEXEC);
	uint64_t has = 0;

	if (fd < 0 || ioctl(fd, BLKGETSIZE64, &has) < 0)
		return err_sys(e, errno, "size of '%s'", node);
	if (has < size)
		return err_set(e, ERR_STATE,
			       "'%s' has %llu bytes, not %llu: the host must grow it first", node,
			       (unsigned long long)has, (unsigned long long)size);
	*ret = has;
	return 0;
}

/*
 * What resize2fs and xfs_growfs do to a file system that is mounted is one call of the kernel's, so that no
 * image needs them. Not in the C library's headers: fs/ext4/ext4.h; xfs_fs.h of xfsprogs.
 */
#define EXT4_RESIZE _IOW('f', 16, uint64_t)

struct xfs_geometry { /* xfs_fsop_geom_v1 */
	uint32_t block_size, rt_extent_size, group_blocks, groups, log_blocks, sector_size,
		inode_size;
	uint32_t inode_percent;
	uint64_t data_blocks, rt_blocks, rt_extents, log_start;
	uint8_t uuid[16];
	uint32_t stripe_unit, stripe_width;
	int32_t version;
	uint32_t flags, log_sector_size, rt_sector_size, dir_block_size;
};
#define XFS_GEOMETRY _IOR('X', 100, struct xfs_geometry)

struct xfs_growth { /* xfs_growfs_data */
	uint64_t blocks;
	uint32_t inode_percent;
};
#define XFS_GROW _IOW('X', 110, struct xfs_growth)

struct grow_work {
	int volume;     /* O_PATH */
	uint64_t bytes; /* of the disk */
	uint64_t block; /* size of one */
	bool ext4;
	int sys;
};

static int grow_ext4(int fd, const struct grow_work *w)
{
	uint64_t blocks = w->bytes / w->block;

	return ioctl(fd, EXT4_RESIZE, &blocks);
}

static int grow_xfs(int fd, const struct grow_work *w)
{
	struct xfs_geometry g;
	struct xfs_growth to = { .blocks = 0 };

	if (ioctl(fd, XFS_GEOMETRY, &g) < 0)
		return -1;
	to.blocks = w->bytes / g.block_size;
	to.inode_percent = g.inode_percent;
	return to.blocks > g.data_blocks ? ioctl(fd, XFS_GROW, &to) : 0;
}

static void grow_now(void *arg)
{
	struct grow_work *w = arg;
	char path[FD_PATH_MAX];
	auto_close int fd = open(fd_path(w->volume, path), O_RDONLY | O_CLOEXEC);

	if (fd < 0 || (w->ext4 ? grow_ext4(fd, w) : grow_xfs(fd, w)) < 0)
		w->sys = errno;
}

int volume_grow(const char *run_dir, const char *path, uint64_t size, struct err *e)
{
	struct stat_work w;
	auto_close int fd = stat_path(run_dir, path, &w, e);
	struct grow_work grow = { .volume = fd };
	auto_free char *node = NULL;

	if (fd < 0)
		return -1;
	grow.ext4 = w.fs.f_type == EXT4_SUPER_MAGIC;
	grow.block = (uint64_t)w.fs.f_bsize;
	if (!grow.ext4 && w.fs.f_type != XFS_SUPER_MAGIC)
		return err_set(e, ERR_UNSUPPORTED, "'%s' is on neither ext4 nor xfs", path);
	node = device_node(S_IFBLK, w.st.st_dev, e);
	if (!node || check_disk(node, size, &grow.bytes, e) < 0)
		return -1;
	work_run(grow_now, &grow);
	return grow.sys ? err_sys(e, grow.sys, "grow the file system on '%s'", node) : 0;
}

struct swap_work {
	const char *path;
	int sys;
};

static void swap_on_now(void *arg)
{
	struct swap_work *w = arg;

	if (swapon(w->path, 0) < 0)
		w->sys = errno;
}

int volume_swap_on(const char *run_dir, const char *path, struct err *e)
{
	struct stat_work at;
	auto_close int fd = stat_path(run_dir, path, &at, e);
	char opened[FD_PATH_MAX];
	struct swap_work w = { .path = fd_path(fd, opened) };

	if (fd < 0)
		return -1;
	work_run(swap_on_now, &w);
	return w.sys ? err_sys(e, w.sys, "swap on '%s'", path) : 0;
}

static void refresh_now(void *arg)
{
	const char *dir = arg;
	auto_free char *text = NULL;
	struct err ignored = ERR_INIT;
	struct mountinfo_line line;
	struct stat st;
	char *rest;

	if (mountinfo_read(&text, &ignored) < 0)
		return;
	rest = text;
	while (mountinfo_next(&rest, &line))
		if (path_below(dir, line.point))
			(void)!stat(line.point, &st);
}

void volume_refresh_below(const char *dir)
{
	work_run(refresh_now, (void *)(uintptr_t)dir);
}
