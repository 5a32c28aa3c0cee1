/* SPDX-License-Identifier: Apache-2.0 */
/* Files that the host copies into the guest; see copy_file.h. */
#include "agent/guest/copy_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/base/path.h"

/* Hosts send 0 with files: a directory that nobody may enter is of no use. */
#define DIR_MODE_DEFAULT 0750

#define WORK_NAME_BYTES 200 /* of the name; with what is added it stays below NAME_MAX */

struct copy {
	const Grpc__CopyFileRequest *req;
	int parent;
	const char *name; /* in parent */
};

static int set_owner_and_mode(const struct copy *c, int fd, struct err *e)
{
	/* In this order: a change of owner takes set-id bits away. */
	if (fchown(fd, (uid_t)c->req->uid, (gid_t)c->req->gid) < 0)
		return err_sys(e, errno, "set the owner of '%s'", c->req->path);
	if (fchmod(fd, c->req->file_mode & 07777) < 0)
		return err_sys(e, errno, "set the mode of '%s'", c->req->path);
	return 0;
}

static int copy_directory(const struct copy *c, struct err *e)
{
	auto_close int fd = -1;
	struct stat st;

	if (fstatat(c->parent, c->name, &st, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISDIR(st.st_mode) &&
	    unlinkat(c->parent, c->name, 0) < 0)
		return err_sys(e, errno, "remove what is at '%s'", c->req->path);
	if (mkdirat(c->parent, c->name, 0700) < 0 && errno != EEXIST)
		return err_sys(e, errno, "create directory '%s'", c->req->path);
	fd = openat(c->parent, c->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, errno, "open directory '%s'", c->req->path);
	return set_owner_and_mode(c, fd, e);
}

static int copy_symlink(const struct copy *c, struct err *e)
{
	const ProtobufCBinaryData *data = &c->req->data;
	auto_free char *target = xstrndup((const char *)data->data, data->len);

	if (data->len == 0 || data->len >= PATH_MAX || strlen(target) != data->len)
		return err_set(e, ERR_INVALID, "the target of symlink '%s' is no path",
			       c->req->path);
	if (symlinkat(target, c->parent, c->name) < 0)
		return err_sys(e, errno, "create symlink '%s'", c->req->path);
	if (fchownat(c->parent, c->name, (uid_t)c->req->uid, (gid_t)c->req->gid,
		     AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(e, errno, "set the owner of '%s'", c->req->path);
	return 0;
}

static int open_work(const struct copy *c, const char *work, off_t *ret_size, struct err *e)
{
	bool first = c->req->offset == 0;
	auto_close int fd = -1;
	struct stat st;

	if (first && path_remove_tree(c->parent, work, e) < 0)
		return -1;
	fd = openat(c->parent, work,
		    O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | (first ? O_CREAT | O_EXCL : 0),
		    0600);
	if (fd < 0 && !first && errno == ENOENT)
		return err_set(e, ERR_STATE, "the first piece of '%s' has not come", c->req->path);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, errno, "open the work file of '%s'", c->req->path);
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_STATE, "the work file of '%s' was exchanged", c->req->path);
	*ret_size = st.st_size;
	return take_fd(&fd);
}

static int write_at(const struct copy *c, int fd, struct err *e)
{
	const ProtobufCBinaryData *data = &c->req->data;

	for (size_t done = 0; done < data->len;) {
		ssize_t n = pwrite(fd, data->data + done, data->len - done,
				   c->req->offset + (off_t)done);

		if (n < 0 && errno != EINTR)
			return err_sys(e, errno, "write '%s'", c->req->path);
		done += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static int copy_piece(const struct copy *c, const char *work, struct err *e)
{
	off_t end = c->req->offset + (off_t)c->req->data.len;
	off_t size = 0;
	auto_close int fd = open_work(c, work, &size, e);

	if (fd < 0)
		return -1;
	if (c->req->offset > size)
		return err_set(e, ERR_INVALID, "'%s': bytes %lld to %lld are missing", c->req->path,
			       (long long)size, (long long)c->req->offset);
	if (write_at(c, fd, e) < 0)
		return -1;
	if ((end > size ? end : size) != c->req->file_size)
		return 0;
	if (set_owner_and_mode(c, fd, e) < 0)
		return -1;
	if (renameat(c->parent, work, c->parent, c->name) < 0)
		return err_sys(e, errno, "put '%s' in place", c->req->path);
	return 0;
}

static int copy_regular(const struct copy *c, struct err *e)
{
	auto_free char *work = xasprintf(".%.*s.husk-copy", WORK_NAME_BYTES, c->name);
	int r = copy_piece(c, work, e);

	if (r < 0)
		(void)unlinkat(c->parent, work, 0);
	return r;
}

static int check(const Grpc__CopyFileRequest *req, struct err *e)
{
	mode_t type = req->file_mode & S_IFMT;

	if (type != 0 && type != S_IFREG && type != S_IFDIR && type != S_IFLNK)
		return err_set(e, ERR_INVALID, "'%s': mode %o is no file, directory or symlink",
			       req->path, req->file_mode);
	if (req->file_size < 0 || req->file_size > COPY_FILE_SIZE_MAX)
		return err_set(e, ERR_INVALID, "'%s': a size of %lld bytes", req->path,
			       (long long)req->file_size);
	if (req->offset < 0 || req->offset > req->file_size)
		return err_set(e, ERR_INVALID, "'%s': an offset of %lld bytes", req->path,
			       (long long)req->offset);
	if ((type == 0 || type == S_IFREG) &&
	    (uint64_t)req->data.len > (uint64_t)(req->file_size - req->offset))
		return err_set(e, ERR_INVALID, "'%s': more data than its %lld bytes", req->path,
			       (long long)req->file_size);
	return 0;
}

/* The directory that the path is in, made if missing, with its owner; -1 with the error. */
static int open_parent(int rootfd, const Grpc__CopyFileRequest *req, const char *below,
		       struct err *e)
{
	auto_free char *parent = xstrndup(below, (size_t)(path_base(below) - below));
	mode_t mode = req->dir_mode & 0777 ? req->dir_mode & 0777 : DIR_MODE_DEFAULT;
	auto_close int fd = path_mkdirs_in_root(rootfd, parent, mode, e);

	if (fd < 0)
		return -1;
	/* The root itself is the share, not something that was copied. */
	if (strcmp(parent, "/") != 0 &&
	    fchownat(fd, "", (uid_t)req->uid, (gid_t)req->gid, AT_EMPTY_PATH) < 0)
		return err_sys(e, errno, "set the owner of the directory of '%s'", req->path);
	return take_fd(&fd);
}

int copy_file(const char *root, const Grpc__CopyFileRequest *req, struct err *e)
{
	size_t root_len = strlen(root);
	mode_t type = req->file_mode & S_IFMT;
	struct copy c = { .req = req, .name = path_base(req->path) };
	auto_close int rootfd = -1;
	auto_close int parent = -1;

	if (!path_is_clean(req->path) || strncmp(req->path, root, root_len) != 0 ||
	    req->path[root_len] != '/')
		return err_set(e, ERR_INVALID, "'%s' is no path below '%s'", req->path, root);
	if (check(req, e) < 0 || path_mkdirs(root, 0755, e) < 0)
		return -1;
	rootfd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (rootfd < 0)
		return err_sys(e, errno, "open '%s'", root);
	parent = open_parent(rootfd, req, req->path + root_len, e);
	if (parent < 0)
		return -1;
	c.parent = parent;
	if (type == S_IFDIR)
		return copy_directory(&c, e);
	if (req->offset == 0 && path_remove_tree(parent, c.name, e) < 0)
		return -1;
	return type == S_IFLNK ? copy_symlink(&c, e) : copy_regular(&c, e);
}
