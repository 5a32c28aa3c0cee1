/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_SHIM_STORAGE_HOST_FILE_H
#define HUSK_SHIM_STORAGE_HOST_FILE_H

#include <sys/stat.h>
#include <sys/types.h>

#include "common/base/cleanup.h"
#include "common/base/err.h"

/*
 * Files of the host that are read. They may lie on a server that does not answer, which holds up the
 * caller alone: each look is a worker's (work.h), and so none has a deadline. In a fiber.
 */
struct host_file {
	struct stat st;
	int fd;       /* of a regular file or directory; -1: of another kind */
	char *target; /* of a symlink */
};

#define HOST_FILE_NONE ((struct host_file){ .fd = -1 })

/* By its path in containerd's mount namespace (host_mounts.h); symlinks are followed. */
int host_file_open(const char *path, struct host_file *ret, struct err *e) must_check;
/* By its name in a directory; a symlink is the file. */
int host_file_open_in(const struct host_file *dir, const char *name, struct host_file *ret,
		      struct err *e) must_check;
void host_file_close(struct host_file *f);
#define auto_host_file CLEANUP(host_file_close)

/* Fewer bytes than asked for, but not 0, also elsewhere than at the end. */
ssize_t host_file_read(const struct host_file *f, void *to, size_t len, off_t offset, struct err *e)
	must_check;

/* The names in a directory, for strv_free(); NULL: none. More than `max` are ERR_EXHAUSTED. Once. */
int host_file_list(const struct host_file *dir, size_t max, char ***ret, struct err *e) must_check;

#endif
