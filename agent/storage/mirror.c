/* SPDX-License-Identifier: Apache-2.0 */
/* Copies of small trees that follow their source; see mirror.h. */
#include "agent/storage/mirror.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/path.h"

#define DEPTH_MAX   16
#define ENTRIES_MAX 1024 /* of one directory */
#define CHUNK       (1u << 20)
#define WORK_LINK   ".husk-link" /* of us alone; renamed onto a symlink that changed */

static const int dir_flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

/* Names in a directory, for strv_free(). */
static int list(int fd, char ***ret, struct err *e)
{
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	auto_strv char **names = NULL;
	size_t n = 0;

	if (!dir) {
		err_sys(e, errno, "read directory");
		if (copy >= 0)
			(void)close(copy);
		return -1;
	}
	for (struct dirent *de = readdir(dir); de; de = readdir(dir)) {
		if (strcmp(de->d_name, ".") == 0 || strcmp(de->d_name, "..") == 0)
			continue;
		if (n++ == ENTRIES_MAX) {
			(void)closedir(dir);
			return err_set(e, ERR_EXHAUSTED, "a directory of more than %d entries",
				       ENTRIES_MAX);
		}
		strv_add(&names, de->d_name);
	}
	(void)closedir(dir);
	*ret = take_ptr(names);
	return 0;
}

static bool is_gone(int sys)
{
	return sys == ENOENT || sys == ESTALE || sys == ENOTDIR;
}

static int measure(int from, const struct mirror_size *limit, struct mirror_size *sum, int depth,
		   struct err *e)
{
	auto_strv char **names = NULL;

	if (depth > DEPTH_MAX)
		return err_set(e, ERR_EXHAUSTED, "more than %d levels", DEPTH_MAX);
	if (list(from, &names, e) < 0)
		return -1;
	for (size_t i = 0; names && names[i]; i++) {
		auto_close int below = -1;
		struct stat st;

		if (sum->files > limit->files || sum->bytes > limit->bytes)
			return 0;
		if (fstatat(from, names[i], &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (S_ISREG(st.st_mode)) {
			sum->files++;
			sum->bytes += (uint64_t)st.st_size;
		}
		if (!S_ISDIR(st.st_mode))
			continue;
		below = openat(from, names[i], dir_flags);
		if (below >= 0 && measure(below, limit, sum, depth + 1, e) < 0)
			return -1;
	}
	return 0;
}

int mirror_measure(int from, const struct mirror_size *limit, struct mirror_size *ret,
		   struct err *e)
{
	*ret = (struct mirror_size){ .files = 0 };
	return measure(from, limit, ret, 0, e);
}

/* The copy has its source's time of change: that and the size tell whether it is one still. */
static bool same_file(const struct stat *a, const struct stat *b)
{
	return S_ISREG(b->st_mode) && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	       a->st_mode == b->st_mode && a->st_uid == b->st_uid && a->st_gid == b->st_gid;
}

/* What is there and is of another type makes way. */
static int make_way(int to, const char *name, mode_t type, struct stat *ret, bool *ret_there,
		    struct err *e)
{
	*ret_there = fstatat(to, name, ret, AT_SYMLINK_NOFOLLOW) == 0;
	if (!*ret_there || (ret->st_mode & S_IFMT) == type)
		return 0;
	*ret_there = false;
	return path_remove_tree(to, name, e);
}

int mirror_file(int from, const char *name, int to, const char *to_name, struct err *e)
{
	auto_close int in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	auto_close int out = -1;
	struct stat st, old;
	off_t copied = 0;
	bool there;

	if (in < 0)
		return is_gone(errno) ? 0 : err_sys(e, errno, "open '%s'", name);
	if (fstat(in, &st) < 0)
		return err_sys(e, errno, "stat '%s'", name);
	if (make_way(to, to_name, S_IFREG, &old, &there, e) < 0)
		return -1;
	if (there && same_file(&st, &old))
		return 0;
	/* Not waiting: whoever may write to the copy can put a fifo there at the last moment. */
	out = openat(to, to_name, O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	if (out < 0)
		return err_sys(e, errno, "create '%s'", name);
	for (;;) {
		ssize_t n = sendfile(out, in, NULL, CHUNK);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, errno, "copy '%s'", name);
		if (n == 0)
			break;
		copied += n;
	}
	if (ftruncate(out, copied) < 0)
		return err_sys(e, errno, "cut '%s'", name);
	return fd_take_metadata(out, name, &st, e);
}

static int sync_tree(int from, int to, int depth, struct err *e);

static int sync_directory(int from, int to, const char *name, int depth, struct err *e)
{
	auto_close int below_from = openat(from, name, dir_flags);
	auto_close int below_to = -1;
	struct stat st, old;
	bool there;

	if (below_from < 0)
		return is_gone(errno) ? 0 : err_sys(e, errno, "open directory '%s'", name);
	if (fstat(below_from, &st) < 0)
		return err_sys(e, errno, "stat '%s'", name);
	if (make_way(to, name, S_IFDIR, &old, &there, e) < 0)
		return -1;
	if (!there && mkdirat(to, name, 0700) < 0)
		return err_sys(e, errno, "create directory '%s'", name);
	below_to = openat(to, name, dir_flags);
	if (below_to < 0)
		return err_sys(e, errno, "open directory '%s'", name);
	if (sync_tree(below_from, below_to, depth + 1, e) < 0)
		return -1;
	return fd_take_metadata(below_to, name, &st, e);
}

static int read_link(int dir, const char *name, char target[static PATH_MAX])
{
	ssize_t n = readlinkat(dir, name, target, PATH_MAX - 1);

	if (n >= 0)
		target[n] = '\0';
	return n < 0 ? -1 : 0;
}

static int sync_link(int from, int to, const char *name, struct err *e)
{
	char want[PATH_MAX], have[PATH_MAX];

	if (read_link(from, name, want) < 0)
		return is_gone(errno) || errno == EINVAL
			       ? 0
			       : err_sys(e, errno, "read link '%s'", name);
	if (read_link(to, name, have) == 0 && strcmp(want, have) == 0)
		return 0;
	if (unlinkat(to, WORK_LINK, 0) < 0 && errno != ENOENT)
		return err_sys(e, errno, "remove '%s'", WORK_LINK);
	if (symlinkat(want, to, WORK_LINK) < 0)
		return err_sys(e, errno, "create link '%s'", name);
	if (renameat(to, WORK_LINK, to, name) == 0)
		return 0;
	/* A directory is in the way. */
	if (path_remove_tree(to, name, e) < 0)
		return -1;
	if (renameat(to, WORK_LINK, to, name) < 0)
		return err_sys(e, errno, "create link '%s'", name);
	return 0;
}

static bool has_name(char *const *names, const char *name)
{
	for (size_t i = 0; names && names[i]; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

static int sync_tree(int from, int to, int depth, struct err *e)
{
	auto_strv char **names = NULL;
	auto_strv char **old = NULL;

	if (depth > DEPTH_MAX)
		return err_set(e, ERR_EXHAUSTED, "more than %d levels", DEPTH_MAX);
	if (list(from, &names, e) < 0 || list(to, &old, e) < 0)
		return -1;
	for (int links = 0; links < 2; links++) {
		for (size_t i = 0; names && names[i]; i++) {
			struct stat st;
			int r = 0;

			if (fstatat(from, names[i], &st, AT_SYMLINK_NOFOLLOW) < 0)
				continue;
			if (links && S_ISLNK(st.st_mode))
				r = sync_link(from, to, names[i], e);
			else if (!links && S_ISDIR(st.st_mode))
				r = sync_directory(from, to, names[i], depth, e);
			else if (!links && S_ISREG(st.st_mode))
				r = mirror_file(from, names[i], to, names[i], e);
			if (r < 0)
				return -1;
		}
	}
	for (size_t i = 0; old && old[i]; i++)
		if (!has_name(names, old[i]) && path_remove_tree(to, old[i], e) < 0)
			return -1;
	return 0;
}

int mirror_sync(int from, int to, struct err *e)
{
	/* What fsmount(2) returns is a place, not an open directory. */
	auto_close int root = openat(to, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	if (root < 0)
		return err_sys(e, errno, "open the copy");
	if (sync_tree(from, root, 0, e) < 0)
		return -1;
	if (fstat(from, &st) < 0)
		return err_sys(e, errno, "stat the source");
	return fd_take_metadata(root, ".", &st, e);
}
