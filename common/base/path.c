/* SPDX-License-Identifier: Apache-2.0 */
/* Paths that the kernel resolves beneath a root; see path.h. */
#include "common/base/path.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "common/base/mem.h"

#define EAGAIN_TRIES 32 /* openat2 answers EAGAIN when a rename raced with the walk */
#define DEPTH_MAX    256
#define LINKS_MAX    8 /* dangling symlinks that lead to dangling symlinks */

static int open_resolved(int rootfd, const char *path, int flags, mode_t mode, uint64_t resolve)
{
	struct open_how how = {
		.flags = (unsigned)(flags | O_CLOEXEC),
		.mode = (flags & (O_CREAT | __O_TMPFILE)) ? mode : 0,
		.resolve = resolve,
	};
	int fd = -1;

	for (int i = 0; i < EAGAIN_TRIES; i++) {
		fd = (int)syscall(SYS_openat2, rootfd, path[0] ? path : ".", &how, sizeof(how));
		if (fd >= 0 || (errno != EAGAIN && errno != EINTR))
			break;
	}
	return fd;
}

static int open_in_root(int rootfd, const char *path, int flags, mode_t mode)
{
	return open_resolved(rootfd, path, flags, mode, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
}

int path_open_in_root(int rootfd, const char *path, int flags, mode_t mode, struct err *e)
{
	int fd = open_in_root(rootfd, path, flags, mode);

	if (fd < 0)
		return err_sys(e, errno, "open '%s' beneath its root", path);
	return fd;
}

int path_open_without_links(int rootfd, const char *path, int flags, struct err *e)
{
	/* With both O_PATH and O_NOFOLLOW the kernel would open a link itself. */
	int fd = open_resolved(rootfd, path, (flags & ~O_NOFOLLOW) | O_PATH, 0,
			       RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS);

	if (fd < 0)
		return err_sys(e, errno, "open '%s' without a link on the way", path);
	return fd;
}

/*
 * Where the dangling symlink `name` in `dir` points: a path from the root, for free(). `prefix` is how
 * we got there, so a relative target is resolved behind what precedes the name in it. NULL with errno.
 */
static char *dangling_target(int dir, const char *name, const char *prefix)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(dir, name, target, sizeof(target) - 1);
	const char *slash = strrchr(prefix, '/');

	if (n < 0)
		return NULL;
	target[n] = '\0';
	if (target[0] == '/')
		return xstrdup(target);
	return xasprintf("%.*s/%s", slash ? (int)(slash - prefix) : 0, prefix, target);
}

static int make_dirs(int rootfd, const char *path, mode_t mode, int links, struct err *e);

/* The directory `name` in `dir`, made where it, or what a symlink there points to, is missing. */
static int make_dir(int rootfd, int dir, const char *name, const char *prefix, mode_t mode,
		    int links, struct err *e)
{
	int next = open_in_root(rootfd, prefix, O_PATH | O_DIRECTORY, 0);

	if (next < 0 && errno == ENOENT && strcmp(name, "..") != 0) {
		if (mkdirat(dir, name, mode) < 0) {
			auto_free char *target = NULL;

			if (errno != EEXIST)
				return err_sys(e, errno, "create directory '%s'", prefix);
			target = links > 0 ? dangling_target(dir, name, prefix) : NULL;
			if (target)
				return make_dirs(rootfd, target, mode, links - 1, e);
		}
		next = open_in_root(rootfd, prefix, O_PATH | O_DIRECTORY, 0);
	}
	if (next < 0)
		return err_sys(e, errno, "open directory '%s' beneath its root", prefix);
	return next;
}

/*
 * Walk component by component. Each prefix is resolved from the root, not from the directory
 * before it, because a symlink on the way may lead anywhere inside the root.
 */
static int make_dirs(int rootfd, const char *path, mode_t mode, int links, struct err *e)
{
	auto_free char *prefix = xstrdup(path);
	auto_close int dir = open_in_root(rootfd, "/", O_PATH | O_DIRECTORY, 0);
	size_t depth = 0;

	if (dir < 0)
		return err_sys(e, errno, "open the root of '%s'", path);
	for (char *p = prefix; *p;) {
		char *name;
		char saved;
		int next;

		p += strspn(p, "/");
		if (!*p)
			break;
		if (++depth > DEPTH_MAX)
			return err_set(e, ERR_INVALID, "'%s' has more than %d components", path,
				       DEPTH_MAX);
		name = p;
		p += strcspn(p, "/");
		saved = *p;
		*p = '\0';
		next = make_dir(rootfd, dir, name, prefix, mode, links, e);
		if (next < 0)
			return -1;
		*p = saved;
		(void)close(dir);
		dir = next;
	}
	return take_fd(&dir);
}

int path_mkdirs_in_root(int rootfd, const char *path, mode_t mode, struct err *e)
{
	return make_dirs(rootfd, path, mode, LINKS_MAX, e);
}

int path_mkdirs_without_links(int rootfd, const char *path, mode_t mode, struct err *e)
{
	auto_free char *copy = xstrdup(path);
	auto_close int dir = open_in_root(rootfd, "/", O_PATH | O_DIRECTORY, 0);
	char *save = NULL;

	if (dir < 0)
		return err_sys(e, errno, "open the root of '%s'", path);
	for (char *name = strtok_r(copy, "/", &save); name; name = strtok_r(NULL, "/", &save)) {
		int next;

		if (strcmp(name, "..") == 0)
			return err_set(e, ERR_INVALID, "'%s' has a '..'", path);
		if (mkdirat(dir, name, mode) < 0 && errno != EEXIST)
			return err_sys(e, errno, "create directory '%s' of '%s'", name, path);
		next = openat(dir, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (next < 0)
			return err_sys(e, errno, "open directory '%s' of '%s'", name, path);
		(void)close(dir);
		dir = next;
	}
	return take_fd(&dir);
}

static int make_file(int rootfd, const char *path, mode_t mode, int links, struct err *e)
{
	auto_free char *parent = xstrdup(path);
	char *slash = strrchr(parent, '/');
	const char *name = path_base(path);
	auto_close int dir = -1;
	auto_close int made = -1;
	int fd = open_in_root(rootfd, path, O_PATH, 0);

	if (fd >= 0)
		return fd;
	if (errno != ENOENT)
		return err_sys(e, errno, "open '%s' beneath its root", path);
	if (!name[0] || !strcmp(name, ".") || !strcmp(name, ".."))
		return err_set(e, ERR_INVALID, "'%s' is no file name", path);
	if (slash)
		*slash = '\0';
	dir = path_mkdirs_in_root(rootfd, slash ? parent : "/", 0755, e);
	if (dir < 0)
		return -1;
	made = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
	if (made < 0) {
		auto_free char *target = NULL;

		if (errno != EEXIST)
			return err_sys(e, errno, "create '%s'", path);
		/* There after all: a symlink to nowhere yet, as some images have resolv.conf. */
		target = links > 0 ? dangling_target(dir, name, path) : NULL;
		if (target)
			return make_file(rootfd, target, mode, links - 1, e);
	}
	fd = open_in_root(rootfd, path, O_PATH, 0);
	if (fd < 0)
		return err_sys(e, errno, "open '%s' beneath its root", path);
	return fd;
}

int path_mkfile_in_root(int rootfd, const char *path, mode_t mode, struct err *e)
{
	return make_file(rootfd, path, mode, LINKS_MAX, e);
}

int path_mkdirs(const char *path, mode_t mode, struct err *e)
{
	auto_free char *copy = xstrdup(path);
	struct stat st;

	for (char *p = copy + 1; copy[0] && *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (mkdir(copy, mode) < 0 && errno != EEXIST)
			return err_sys(e, errno, "create directory '%s'", copy);
		*p = '/';
	}
	if (mkdir(copy, mode) == 0)
		return 0;
	if (errno != EEXIST)
		return err_sys(e, errno, "create directory '%s'", path);
	if (stat(copy, &st) < 0)
		return err_sys(e, errno, "stat '%s'", path);
	if (!S_ISDIR(st.st_mode))
		return err_sys(e, ENOTDIR, "create directory '%s'", path);
	return 0;
}

static int remove_tree(int dirfd, const char *name, int depth, struct err *e)
{
	/* A bind mount of the same file system has the same st_dev: only the kernel can tell. */
	const uint64_t resolve = depth > 0 ? RESOLVE_NO_XDEV : 0;
	struct dirent *de;
	DIR *dir;
	int fd;
	int r = 0;

	if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return err_sys(e, errno, "remove '%s'", name);
	if (depth > DEPTH_MAX)
		return err_set(e, ERR_INVALID, "remove '%s': nested too deeply", name);

	fd = open_resolved(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, resolve);
	if (fd < 0 && errno == EXDEV)
		return err_set(e, ERR_STATE, "remove '%s': something is mounted there", name);
	if (fd < 0)
		return errno == ENOENT ? 0 : err_sys(e, errno, "open directory '%s'", name);
	dir = fdopendir(fd);
	if (!dir) {
		err_sys(e, errno, "read directory '%s'", name);
		(void)close(fd);
		return -1;
	}
	while (r == 0 && (de = readdir(dir)) != NULL) {
		if (!strcmp(de->d_name, ".") || !strcmp(de->d_name, ".."))
			continue;
		r = remove_tree(fd, de->d_name, depth + 1, e);
	}
	(void)closedir(dir);
	if (r == 0 && unlinkat(dirfd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		r = err_sys(e, errno, "remove directory '%s'", name);
	return r;
}

int path_remove_tree(int dirfd, const char *name, struct err *e)
{
	return remove_tree(dirfd, name, 0, e);
}

char *path_join(const char *a, const char *b)
{
	size_t len = strlen(a);

	while (len > 0 && a[len - 1] == '/')
		len--;
	b += strspn(b, "/");
	return xasprintf("%.*s/%s", (int)len, a, b);
}

const char *path_below(const char *root, const char *path)
{
	for (;;) {
		size_t len;

		root += strspn(root, "/");
		path += strspn(path, "/");
		len = strcspn(root, "/");
		if (len == 0)
			return path;
		if (strncmp(root, path, len) != 0 || (path[len] != '\0' && path[len] != '/'))
			return NULL;
		root += len;
		path += len;
	}
}

bool path_is_clean(const char *path)
{
	if (path[0] != '/' || strlen(path) >= PATH_MAX)
		return false;
	if (path[1] == '\0')
		return true;
	for (const char *p = path; *p;) {
		size_t len = strcspn(++p, "/");

		if (len == 0 || (len == 1 && p[0] == '.') ||
		    (len == 2 && p[0] == '.' && p[1] == '.'))
			return false;
		p += len;
	}
	return true;
}

const char *path_base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

const char *fd_path(int fd, char buf[static FD_PATH_MAX])
{
	(void)snprintf(buf, FD_PATH_MAX, "/proc/self/fd/%d", fd);
	return buf;
}
