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
#include <sys/sysmacros.h>
#include <unistd.h>

#include "agent/guest/command.h"
#include "common/async/work.h"
#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/path.h"

#define MOUNTINFO_MAX (4u << 20)
#define UEVENT_MAX    4096u

/* A server of a share may take its time to answer: on the worker pool. */
struct stat_work {
	const char *path;
	struct statfs fs;
	struct stat st;
	int sys;
};

static void stat_now(void *arg)
{
	struct stat_work *w = arg;
	auto_close int fd = open(w->path, O_PATH | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &w->st) < 0 || fstatfs(fd, &w->fs) < 0)
		w->sys = errno;
}

static int stat_path(const char *path, struct stat_work *ret, struct err *e)
{
	*ret = (struct stat_work){ .path = path };
	if (!path_is_clean(path))
		return err_set(e, ERR_INVALID, "'%s' is no absolute path", path);
	work_run(stat_now, ret);
	return ret->sys ? err_sys(e, ret->sys, "look at '%s'", path) : 0;
}

int volume_usage(const char *path, struct volume_usage *ret_bytes, struct volume_usage *ret_inodes,
		 struct err *e)
{
	struct stat_work w;
	uint64_t block;

	if (stat_path(path, &w, e) < 0)
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

/* The node of the disk with that number, for free(); devtmpfs names them as the kernel does. */
static char *disk_node(dev_t dev, struct err *e)
{
	auto_free char *path = xasprintf("/sys/dev/block/%u:%u/uevent", major(dev), minor(dev));
	auto_free char *uevent = NULL;
	char *name;

	if (file_read(AT_FDCWD, path, UEVENT_MAX, &uevent, NULL, e) < 0)
		return NULL;
	name = strstr(uevent, "DEVNAME=");
	if (!name) {
		err_set(e, ERR_NOT_FOUND, "'%s' names no device", path);
		return NULL;
	}
	name += strlen("DEVNAME=");
	name[strcspn(name, "\n")] = '\0';
	return path_join("/dev", name);
}

static int check_disk(const char *node, uint64_t size, struct err *e)
{
	auto_close int fd = open(node, O_RDONLY | O_CLOEXEC);
	uint64_t has = 0;

	if (fd < 0 || ioctl(fd, BLKGETSIZE64, &has) < 0)
		return err_sys(e, errno, "size of '%s'", node);
	if (has < size)
		return err_set(e, ERR_STATE,
			       "'%s' has %llu bytes, not %llu: the host must grow it first", node,
			       (unsigned long long)has, (unsigned long long)size);
	return 0;
}

int volume_grow(const char *path, uint64_t size, struct deadline d, struct err *e)
{
	auto_free char *program = NULL;
	auto_free char *node = NULL;
	struct stat_work w;
	bool ext;

	if (stat_path(path, &w, e) < 0)
		return -1;
	ext = w.fs.f_type == EXT4_SUPER_MAGIC;
	if (!ext && w.fs.f_type != XFS_SUPER_MAGIC)
		return err_set(e, ERR_UNSUPPORTED, "'%s' is on neither ext4 nor xfs", path);
	node = disk_node(w.st.st_dev, e);
	if (!node || check_disk(node, size, e) < 0)
		return -1;
	program = command_find(ext ? "resize2fs" : "xfs_growfs", e);
	if (!program)
		return -1;
	return command_run(
		&(const struct command){
			.argv = (const char *const[]){ program, ext ? node : path, NULL } },
		d, NULL, NULL, e);
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

int volume_swap_on(const char *path, struct err *e)
{
	struct swap_work w = { .path = path };
	struct stat_work at;

	if (stat_path(path, &at, e) < 0)
		return -1;
	work_run(swap_on_now, &w);
	return w.sys ? err_sys(e, w.sys, "swap on '%s'", path) : 0;
}

static void refresh_now(void *arg)
{
	const char *dir = arg;
	size_t len = strlen(dir);
	auto_free char *table = NULL;
	struct err ignored = ERR_INIT;
	char *save = NULL;

	if (file_read(AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_MAX, &table, NULL, &ignored) < 0)
		return;
	/* proc_pid_mountinfo(5): the fifth field is the mount point; none of ours has an escape. */
	for (char *line = strtok_r(table, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *rest = line;
		char *field = NULL;
		struct stat st;

		for (int i = 0; i < 5 && rest; i++)
			field = strsep(&rest, " ");
		if (field && strncmp(field, dir, len) == 0 && (field[len] == '/' || !field[len]))
			(void)!stat(field, &st);
	}
}

void volume_refresh_below(const char *dir)
{
	work_run(refresh_now, (void *)(uintptr_t)dir);
}
