/* SPDX-License-Identifier: Apache-2.0 */
/* The group of a volume's files; see fs_group.h. What the volume holds is trusted by nobody. */
#include "agent/storage/fs_group.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "common/async/work.h"
#include "common/base/path.h"

#define DEPTH_MAX 1000u /* directories in each other; each takes a descriptor and some stack */

struct walk {
	int root;
	gid_t gid;
	bool only_if_root_differs;
	dev_t device;
	struct err e;
};

static mode_t wanted_bits(mode_t mode)
{
	return S_ISDIR(mode) ? 0770 | S_ISGID : 0660;
}

/* fd is an O_PATH descriptor of a file or directory. */
static int change(struct walk *w, int fd, const struct stat *st)
{
	mode_t mode = (st->st_mode & 07777) | wanted_bits(st->st_mode);
	char path[FD_PATH_MAX];

	if (st->st_gid != w->gid && fchownat(fd, "", (uid_t)-1, w->gid, AT_EMPTY_PATH) < 0)
		return -1;
	/* After the chown, which takes set-id bits away. */
	return chmod(fd_path(fd, path), mode);
}

static int walk_directory(struct walk *w, int fd, unsigned depth);

/* `name` is for errors. */
static int walk_opened(struct walk *w, int fd, const char *name, unsigned depth)
{
	auto_close int dir = -1;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(&w->e, errno, "stat '%s'", name);
	if (S_ISLNK(st.st_mode) || st.st_dev != w->device)
		return 0;
	if (change(w, fd, &st) < 0)
		return err_sys(&w->e, errno, "give '%s' to group %u", name, w->gid);
	if (!S_ISDIR(st.st_mode))
		return 0;
	dir = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_sys(&w->e, errno, "open directory '%s'", name);
	return walk_directory(w, take_fd(&dir), depth + 1);
}

static int walk_entry(struct walk *w, int dirfd, const char *name, unsigned depth)
{
	auto_close int fd = openat(dirfd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT ? 0 : err_sys(&w->e, errno, "open '%s'", name);
	return walk_opened(w, fd, name, depth);
}

/* Owns fd. */
static int walk_directory(struct walk *w, int fd, unsigned depth)
{
	DIR *d = depth < DEPTH_MAX ? fdopendir(fd) : NULL;
	const struct dirent *entry;
	int r = 0;

	if (!d) {
		r = depth < DEPTH_MAX
			    ? err_sys(&w->e, errno, "read directory")
			    : err_set(&w->e, ERR_EXHAUSTED,
				      "more than %u directories in each other", DEPTH_MAX);
		(void)close(fd);
		return r;
	}
	while (r == 0 && (entry = readdir(d)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			r = walk_entry(w, dirfd(d), entry->d_name, depth);
	(void)closedir(d);
	return r;
}

static void walk_now(void *arg)
{
	struct walk *w = arg;
	struct stat st;

	if (fstat(w->root, &st) < 0) {
		err_sys(&w->e, errno, "stat");
		return;
	}
	if (w->only_if_root_differs && st.st_gid == w->gid &&
	    (st.st_mode & wanted_bits(st.st_mode)) == wanted_bits(st.st_mode))
		return;
	w->device = st.st_dev;
	(void)walk_opened(w, w->root, ".", 0);
}

int fs_group_apply(const struct mount_point *at, const Grpc__FSGroup *group, struct err *e)
{
	auto_close int root = mount_point_open(at, e);
	struct walk w = {
		.root = root,
		.gid = group->group_id,
		.only_if_root_differs =
			group->group_change_policy == TYPES__FSGROUP_CHANGE_POLICY__OnRootMismatch,
		.e = ERR_INIT,
	};
	struct statvfs fs;

	if (root < 0)
		return -1;
	if (fstatvfs(root, &fs) < 0)
		return err_sys(e, errno, "file system group of '%s'", at->path);
	if (fs.f_flag & ST_RDONLY)
		return 0;
	work_run(walk_now, &w);
	if (w.e.code == ERR_NONE)
		return 0;
	*e = w.e;
	return err_wrap(e, "file system group of '%s'", at->path);
}
