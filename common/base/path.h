/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_BASE_PATH_H
#define HUSK_BASE_PATH_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/base/cleanup.h"
#include "common/base/err.h"

/*
 * Paths beneath a root. Image content is trusted by nobody: whatever lies below a container's root
 * (or a share that a guest can write) is reached through these, which let the kernel resolve the
 * path with RESOLVE_IN_ROOT (openat2(2)): symlinks and ".." end at `rootfd`, as after a chroot().
 * Use what they return by descriptor (or as /proc/self/fd/N where the kernel wants a path).
 */

/* open(2) of `path` inside rootfd; a leading '/' means rootfd. Always O_CLOEXEC. Returns the fd. */
int path_open_in_root(int rootfd, const char *path, int flags, mode_t mode, struct err *e)
	must_check;

/* O_PATH of `path` inside rootfd, with `flags`. A symlink on the way, the last component included, is an error. */
int path_open_without_links(int rootfd, const char *path, int flags, struct err *e) must_check;

/*
 * mkdir -p inside rootfd; where a symlink leads to nothing, what it leads to (inside rootfd) is made.
 * Returns an O_PATH descriptor of the last directory.
 */
int path_mkdirs_in_root(int rootfd, const char *path, mode_t mode, struct err *e) must_check;

/*
 * As path_mkdirs_in_root() for the parents; the last component becomes an empty regular file if
 * nothing is there (what is there is kept). Returns an O_PATH descriptor of the file.
 */
int path_mkfile_in_root(int rootfd, const char *path, mode_t mode, struct err *e) must_check;

/* As path_mkdirs_in_root(), where a symlink on the way is an error. */
int path_mkdirs_without_links(int rootfd, const char *path, mode_t mode, struct err *e) must_check;

/* mkdir -p of a trusted host or guest path. Existing directories are left as they are. */
int path_mkdirs(const char *path, mode_t mode, struct err *e) must_check;

/*
 * rm -rf of dirfd/name, never following a symlink. What is mounted below it, a bind mount too, is not
 * entered: ERR_STATE. Absent: success.
 */
int path_remove_tree(int dirfd, const char *name, struct err *e) must_check;

/* "a" + "/b" -> "a/b", with exactly one slash between. For free(). */
char *path_join(const char *a, const char *b) must_check;

/* What follows `root` in `path`, without a slash before it; NULL: it is not in there. Borrowed from `path`. */
const char *path_below(const char *root, const char *path);

/* Absolute, no empty, "." or ".." component, no longer than PATH_MAX. */
bool path_is_clean(const char *path);

/* The last component, "" if it ends in a slash. Borrowed from `path`. */
const char *path_base(const char *path);

#define FD_PATH_MAX 32 /* room for "/proc/self/fd/<int>" */
/* Write "/proc/self/fd/<fd>" to buf and return buf: a descriptor where a path is wanted. */
const char *fd_path(int fd, char buf[static FD_PATH_MAX]);

#endif
