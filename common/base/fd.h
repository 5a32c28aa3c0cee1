/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_BASE_FD_H
#define HUSK_BASE_FD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "common/base/cleanup.h"
#include "common/base/err.h"

/*
 * Whole reads and writes on blocking descriptors, and small files as a unit. These block: fibers
 * use them for files on local file systems only, and common/async/io.h for everything else.
 */

/* All len bytes or -1 with errno set; EINTR is retried. */
int write_all(int fd, const void *buf, size_t len) must_check;
/* Up to len bytes, less only at end of file; -1 with errno set. */
ssize_t read_full(int fd, void *buf, size_t len) must_check;

int fd_set_nonblock(int fd, bool on, struct err *e) must_check;
int fd_set_cloexec(int fd, bool on, struct err *e) must_check;

/*
 * The whole of a file (or pipe), NUL-terminated, for free(). ret_len may be NULL. More than `max`
 * bytes is ERR_EXHAUSTED. `what` names it in the error. Works on /proc, whose sizes are 0.
 */
int fd_read_all(int fd, size_t max, const char *what, char **ret, size_t *ret_len, struct err *e)
	must_check;
int file_read(int dirfd, const char *path, size_t max, char **ret, size_t *ret_len, struct err *e)
	must_check;
/* The same without a trailing newline: for the one-line files of /sys, /proc and cgroups. */
int file_read_line(int dirfd, const char *path, char **ret, struct err *e) must_check;

/*
 * Replace dirfd/name by these bytes, so that a reader, and a shim restarted after a crash, see the
 * old file or the new one and never half of either. Mode 0600. `name` is a file name, not a path.
 */
int file_replace(int dirfd, const char *name, const void *buf, size_t len, struct err *e)
	must_check;

/* One write() to an existing file, as cgroup, proc and sysfs files want it. */
int file_write(int dirfd, const char *path, const void *buf, size_t len, struct err *e) must_check;
int file_writef(int dirfd, const char *path, struct err *e, const char *fmt, ...) must_check
	__attribute__((format(printf, 4, 5)));

/* Move fd to a number of at least `min`, close-on-exec, closing the old one. -1 with errno. */
int fd_move_up(int fd, int min) must_check;

struct stat;

/*
 * Owner, permission bits and times of a copy as its source has them; an owner that this process or
 * user namespace may not set is left. `name` is for the error.
 */
int fd_take_metadata(int fd, const char *name, const struct stat *st, struct err *e) must_check;

#endif
