/* SPDX-License-Identifier: Apache-2.0 */
/* Reading files of the host by workers; see host_file.h. */
#include "shim/storage/host_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/async/work.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "shim/storage/host_mounts.h"

struct look {
	const char *path; /* NULL: the name in the directory */
	int dir;
	const char *name;
	struct host_file *file;
	struct err *e;
	int result;
};

static int read_target(int dir, const char *name, struct host_file *f, struct err *e)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(dir, name, target, sizeof(target));

	if (n < 0)
		return err_sys(e, errno, "read a symlink");
	f->target = xstrndup(target, (size_t)n);
	return 0;
}

/* What it is was looked at; it may have become something else since: a pipe must not hold us up. */
static int open_for_reading(int dir, const char *name, int follow, struct host_file *f,
			    struct err *e)
{
	if (!S_ISREG(f->st.st_mode) && !S_ISDIR(f->st.st_mode))
		return 0;
	f->fd = openat(dir, name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | follow);
	return f->fd < 0 || fstat(f->fd, &f->st) < 0 ? err_sys(e, errno, "open") : 0;
}

static int look_at_path(const struct look *l)
{
	auto_close int there = host_mounts_open(l->path, 0, l->e);
	char link[FD_PATH_MAX];

	if (there < 0)
		return -1;
	if (fstat(there, &l->file->st) < 0)
		return err_sys(l->e, errno, "stat");
	return open_for_reading(AT_FDCWD, fd_path(there, link), 0, l->file, l->e);
}

static int look_at_name(const struct look *l)
{
	if (fstatat(l->dir, l->name, &l->file->st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(l->e, errno, "stat");
	if (S_ISLNK(l->file->st.st_mode))
		return read_target(l->dir, l->name, l->file, l->e);
	return open_for_reading(l->dir, l->name, O_NOFOLLOW, l->file, l->e);
}

static void look_now(void *arg)
{
	struct look *l = arg;

	l->result = l->path ? look_at_path(l) : look_at_name(l);
}

static int look(struct look *l, struct host_file *ret)
{
	*ret = HOST_FILE_NONE;
	l->file = ret;
	work_run(look_now, l);
	if (l->result < 0)
		host_file_close(ret);
	return l->result;
}

int host_file_open(const char *path, struct host_file *ret, struct err *e)
{
	struct look l = { .path = path, .e = e };

	return look(&l, ret);
}

int host_file_open_in(const struct host_file *dir, const char *name, struct host_file *ret,
		      struct err *e)
{
	struct look l = { .dir = dir->fd, .name = name, .e = e };

	return look(&l, ret);
}

static void close_now(void *arg)
{
	const struct host_file *f = arg;

	(void)close(f->fd);
}

void host_file_close(struct host_file *f)
{
	/* A file system that is a program is asked about that too. */
	if (f->fd >= 0)
		work_run(close_now, f);
	free(f->target);
	*f = HOST_FILE_NONE;
}

struct reading {
	int fd;
	void *to;
	size_t len;
	off_t offset;
	ssize_t n;
	int error;
};

static void read_now(void *arg)
{
	struct reading *r = arg;

	do {
		r->n = pread(r->fd, r->to, r->len, r->offset);
	} while (r->n < 0 && errno == EINTR);
	r->error = errno;
}

ssize_t host_file_read(const struct host_file *f, void *to, size_t len, off_t offset, struct err *e)
{
	struct reading r = { .fd = f->fd, .to = to, .len = len, .offset = offset };

	work_run(read_now, &r);
	return r.n < 0 ? err_sys(e, r.error, "read") : r.n;
}

struct listing {
	int fd;
	size_t max;
	char **names;
	struct err *e;
	int result;
};

static int list_open(struct listing *l, DIR *dir)
{
	const struct dirent *entry;
	size_t n = 0, room = 0;

	for (errno = 0; (entry = readdir(dir)); errno = 0) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (n == l->max)
			return err_set(l->e, ERR_EXHAUSTED, "more than %zu files in a directory",
				       l->max);
		if (n + 1 >= room) {
			room = room * 2 + 64;
			l->names = xrealloc(l->names, room * sizeof(l->names[0]));
		}
		l->names[n++] = xstrdup(entry->d_name);
		l->names[n] = NULL;
	}
	return errno ? err_sys(l->e, errno, "read the directory") : 0;
}

static void list_now(void *arg)
{
	struct listing *l = arg;
	int fd = fcntl(l->fd, F_DUPFD_CLOEXEC, 0);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir) {
		l->result = err_sys(l->e, errno, "read the directory");
		if (fd >= 0)
			(void)close(fd);
		return;
	}
	l->result = list_open(l, dir);
	(void)closedir(dir);
}

int host_file_list(const struct host_file *dir, size_t max, char ***ret, struct err *e)
{
	struct listing l = { .fd = dir->fd, .max = max, .e = e };

	work_run(list_now, &l);
	if (l.result < 0)
		strv_free(l.names);
	else
		*ret = l.names;
	return l.result;
}
