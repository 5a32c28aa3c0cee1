/* SPDX-License-Identifier: Apache-2.0 */
/* Paths that a host names, where others may have put links; see host_path.h. */
#include "agent/mount/host_path.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "common/base/mem.h"
#include "common/base/path.h"

#define SHARE_DIR "shared" /* below the run directory: the host's share, and others below it */

static int open_directory(const char *path, struct err *e)
{
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? err_sys(e, errno, "open '%s'", path) : fd;
}

/* What follows the run directory in `path`; NULL: the path is the guest's own. */
static const char *untrusted_part(const char *run_dir, const char *path)
{
	return run_dir[0] ? path_below(run_dir, path) : NULL;
}

int host_path_open(const char *run_dir, const char *path, int flags, struct err *e)
{
	auto_free char *share = path_join(run_dir, SHARE_DIR);
	const char *below = untrusted_part(run_dir, path);
	const char *in_share = below ? path_below(share, path) : NULL;
	auto_close int root = -1;
	int fd;

	if (!below) {
		fd = open(path, flags | O_PATH | O_CLOEXEC);
		return fd < 0 ? err_sys(e, errno, "open '%s'", path) : fd;
	}
	root = open_directory(in_share ? share : run_dir, e);
	if (root < 0)
		return -1;
	fd = in_share ? path_open_in_root(root, in_share, flags | O_PATH, 0, e)
		      : path_open_without_links(root, below, flags, e);
	return fd < 0 ? err_wrap(e, "open '%s'", path) : fd;
}

int mount_point_open(const struct mount_point *at, struct err *e)
{
	const char *below = untrusted_part(at->run_dir, at->path);
	auto_close int root = -1;

	if (!below)
		return host_path_open("", at->path, 0, e);
	root = open_directory(at->run_dir, e);
	return root < 0 ? -1 : path_open_without_links(root, below, 0, e);
}

/* The directory that it is in, made if it is missing and `make` says so. */
static int open_parent(const struct mount_point *at, bool make, struct err *e)
{
	auto_free char *parent = xstrndup(at->path, (size_t)(path_base(at->path) - at->path));
	const char *below = untrusted_part(at->run_dir, parent);
	auto_close int root = -1;

	if (make && path_mkdirs(below ? at->run_dir : parent, 0755, e) < 0)
		return -1;
	root = open_directory(below ? at->run_dir : parent, e);
	if (root < 0 || !below)
		return take_fd(&root);
	return make ? path_mkdirs_without_links(root, below, 0755, e)
		    : path_open_without_links(root, below, O_DIRECTORY, e);
}

int mount_point_make(const struct mount_point *at, bool directory, struct err *e)
{
	const char *name = path_base(at->path);
	auto_close int parent = open_parent(at, true, e);
	auto_close int made = -1;

	if (parent < 0)
		return -1;
	if (directory) {
		if (mkdirat(parent, name, 0755) < 0 && errno != EEXIST)
			return err_sys(e, errno, "create directory '%s'", at->path);
		return mount_point_open(at, e);
	}
	made = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (made < 0 && errno != EEXIST)
		return err_sys(e, errno, "create mount point '%s'", at->path);
	return mount_point_open(at, e);
}

int mount_point_unmake(const struct mount_point *at, bool file, struct err *e)
{
	const char *name = path_base(at->path);
	struct err why = ERR_INIT;
	auto_close int parent = open_parent(at, false, &why);

	if (parent < 0 && why.sys == ENOENT)
		return 0;
	if (parent < 0) {
		*e = why;
		return -1;
	}
	if (unlinkat(parent, name, AT_REMOVEDIR) < 0 && errno != ENOENT &&
	    (errno != ENOTDIR || !file || unlinkat(parent, name, 0) < 0))
		return err_sys(e, errno, "remove '%s'", at->path);
	return 0;
}
