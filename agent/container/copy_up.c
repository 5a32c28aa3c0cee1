/* SPDX-License-Identifier: Apache-2.0 */
/* Option "tmpcopyup" of a tmpfs: it starts with what the image has at its place. */
#include "agent/container/copy_up.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include "common/base/fd.h"

#define DEPTH_MAX   64
#define ENTRIES_MAX 100000
#define CHUNK       (1u << 20)

struct budget {
	int depth;
	int entries;
};

static int copy_tree(int from, int to, struct budget *b, struct err *e);

static int copy_file(int from, int to, const char *name, const struct stat *st, struct err *e)
{
	auto_close int in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	auto_close int out =
		openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (in < 0 || out < 0)
		return err_sys(e, errno, "open '%s'", name);
	for (;;) {
		ssize_t n = sendfile(out, in, NULL, CHUNK);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, errno, "copy '%s'", name);
		if (n == 0)
			break;
	}
	return fd_take_metadata(out, name, st, e);
}

static int copy_link(int from, int to, const char *name, const struct stat *st, struct err *e)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(from, name, target, sizeof(target) - 1);

	if (n < 0)
		return err_sys(e, errno, "read link '%s'", name);
	target[n] = '\0';
	if (symlinkat(target, to, name) < 0)
		return err_sys(e, errno, "create link '%s'", name);
	if (fchownat(to, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0 && errno != EPERM &&
	    errno != EINVAL)
		return err_sys(e, errno, "chown link '%s'", name);
	return 0;
}

static int copy_directory(int from, int to, const char *name, const struct stat *st,
			  struct budget *b, struct err *e)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	auto_close int below_from = openat(from, name, flags);
	auto_close int below_to = -1;

	if (below_from < 0)
		return err_sys(e, errno, "open directory '%s'", name);
	if (mkdirat(to, name, 0700) < 0)
		return err_sys(e, errno, "create directory '%s'", name);
	below_to = openat(to, name, flags);
	if (below_to < 0)
		return err_sys(e, errno, "open directory '%s'", name);
	if (++b->depth > DEPTH_MAX)
		return err_set(e, ERR_EXHAUSTED, "more than %d levels", DEPTH_MAX);
	if (copy_tree(below_from, below_to, b, e) < 0)
		return -1;
	b->depth--;
	return fd_take_metadata(below_to, name, st, e);
}

static int copy_entry(int from, int to, const char *name, struct budget *b, struct err *e)
{
	struct stat st;

	if (++b->entries > ENTRIES_MAX)
		return err_set(e, ERR_EXHAUSTED, "more than %d entries", ENTRIES_MAX);
	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(e, errno, "stat '%s'", name);
	if (S_ISDIR(st.st_mode))
		return copy_directory(from, to, name, &st, b, e);
	if (S_ISREG(st.st_mode))
		return copy_file(from, to, name, &st, e);
	if (S_ISLNK(st.st_mode))
		return copy_link(from, to, name, &st, e);
	return 0;
}

static int copy_tree(int from, int to, struct budget *b, struct err *e)
{
	int fd = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	int r = 0;

	if (!dir)
		return err_sys(e, errno, "read directory");
	while (r == 0) {
		struct dirent *de = readdir(dir);

		if (!de)
			break;
		if (strcmp(de->d_name, ".") != 0 && strcmp(de->d_name, "..") != 0)
			r = copy_entry(from, to, de->d_name, b, e);
	}
	(void)closedir(dir);
	return r;
}

int copy_up(int from, int to, struct err *e)
{
	struct budget b = { .depth = 0 };
	auto_close int target = openat(to, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (target < 0)
		return err_sys(e, errno, "open the new file system");
	return copy_tree(from, target, &b, e);
}
