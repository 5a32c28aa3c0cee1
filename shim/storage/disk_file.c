/* SPDX-License-Identifier: Apache-2.0 */
/* Files and block devices as disks; see disk_file.h. */
#include "shim/storage/disk_file.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/async/child.h"
#include "common/base/fd.h"
#include "common/base/mem.h"

#define IMAGE_MODE 0640 /* as containerd makes it */
#define WORDS_MAX  512  /* bytes of what mkfs says */

static int look(struct disk_file *f, struct err *e)
{
	struct stat st;

	if (fstat(f->fd, &st) < 0)
		return err_sys(e, errno, "stat");
	if (S_ISBLK(st.st_mode)) {
		f->is_device = true;
		f->device = st.st_rdev;
		if (ioctl(f->fd, BLKGETSIZE64, &f->bytes) < 0)
			return err_sys(e, errno, "ask for its size");
	} else if (S_ISREG(st.st_mode)) {
		f->device = st.st_dev;
		f->inode = st.st_ino;
		f->bytes = (uint64_t)st.st_size;
	} else {
		return err_set(e, ERR_INVALID, "it is neither a file nor a block device");
	}
	return f->bytes > 0 ? 0 : err_set(e, ERR_INVALID, "it is empty");
}

int disk_file_open(const char *path, bool read_only, struct disk_file *ret, struct err *e)
{
	struct disk_file f = { .name = path };

	f.fd = open(path, (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (f.fd < 0)
		return err_sys(e, errno, "open '%s'", path);
	if (look(&f, e) < 0 || fd_set_nonblock(f.fd, false, e) < 0) {
		disk_file_close(&f);
		return err_wrap(e, "'%s'", path);
	}
	*ret = f;
	return 0;
}

void disk_file_close(struct disk_file *f)
{
	close_slot(&f->fd);
	*f = DISK_FILE_NONE;
}

int disk_file_read(const struct disk_file *f, uint64_t offset, void *buf, size_t len, struct err *e)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = pread(f->fd, (char *)buf + done, len - done, (off_t)(offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, errno, "read '%s'", f->name);
		if (n == 0)
			return err_set(e, ERR_INVALID, "'%s' ends before byte %llu", f->name,
				       (unsigned long long)(offset + len));
		done += (size_t)n;
	}
	return 0;
}

/* mkfs with its words on a pipe that has room for them. */
static int run_mkfs(const char *program, const char *path, const char *uuid, struct deadline d,
		    struct err *e)
{
	const char *argv[] = { program, "-q", "-F", uuid ? "-U" : path, uuid, path, NULL };
	auto_close int words = -1;
	int pipe_fds[2];
	struct child_fd fds[] = { { .to = 1 }, { .to = 2 } };
	struct child_spec spec = { .name = "mkfs", .argv = argv, .fds = fds, .n_fds = 2 };
	char text[WORDS_MAX] = "";
	struct child *child;
	int code, r;
	ssize_t n;

	if (pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return err_sys(e, errno, "make a pipe");
	words = pipe_fds[0];
	fds[0].from = fds[1].from = pipe_fds[1];
	spec.die_with_parent = true;
	child = child_spawn(&spec, e);
	(void)close(pipe_fds[1]);
	if (!child)
		return -1;
	r = child_wait(child, d, &code, e);
	child_free(child);
	if (r < 0)
		return -1;
	if (code == 0)
		return 0;
	n = read(words, text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return err_set(e, ERR_INTERNAL, "%s ended with %d: %s", program, code, text);
}

static const char *find_mkfs(const char *fstype, char **ret)
{
	static const char *const places[] = { "/usr/sbin", "/sbin", "/usr/bin" };

	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		free(*ret);
		*ret = xasprintf("%s/mkfs.%s", places[i], fstype);
		if (access(*ret, X_OK) == 0)
			return *ret;
	}
	return NULL;
}

static int make(const char *path, const char *fstype, uint64_t bytes, const char *uuid,
		struct deadline d, struct err *e)
{
	auto_close int fd =
		open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, IMAGE_MODE);
	auto_free char *place = NULL;
	const char *mkfs = find_mkfs(fstype, &place);

	if (fd < 0)
		return err_sys(e, errno, "create '%s'", path);
	if (!mkfs)
		return err_set(e, ERR_UNSUPPORTED, "this host has no mkfs.%s", fstype);
	if (ftruncate(fd, (off_t)bytes) < 0)
		return err_sys(e, errno, "give '%s' its size", path);
	return run_mkfs(mkfs, path, uuid, d, e);
}

int disk_file_make(const char *path, const char *fstype, uint64_t bytes, const char *uuid,
		   struct deadline d, struct err *e)
{
	auto_free char *half = xasprintf("%s.new", path);

	if (access(path, F_OK) == 0)
		return 0;
	if (make(half, fstype, bytes, uuid, d, e) < 0 ||
	    (rename(half, path) < 0 && err_sys(e, errno, "rename '%s'", half) < 0)) {
		(void)unlink(half);
		return err_wrap(e, "make image '%s'", path);
	}
	return 0;
}
