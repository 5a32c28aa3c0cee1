/* SPDX-License-Identifier: Apache-2.0 */
/* Whole reads, whole writes, small files; see fd.h. */
#include "common/base/fd.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/mem.h"

int write_all(int fd, const void *buf, size_t len)
{
	const char *p = buf;

	while (len > 0) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

ssize_t read_full(int fd, void *buf, size_t len)
{
	char *p = buf;
	size_t got = 0;

	while (got < len) {
		ssize_t n = read(fd, p + got, len - got);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		got += (size_t)n;
	}
	return (ssize_t)got;
}

static int set_flag(int fd, int get, int set, int flag, bool on, struct err *e)
{
	int flags = fcntl(fd, get);

	if (flags < 0)
		return err_sys(e, errno, "read flags of descriptor %d", fd);
	flags = on ? flags | flag : flags & ~flag;
	if (fcntl(fd, set, flags) < 0)
		return err_sys(e, errno, "set flags of descriptor %d", fd);
	return 0;
}

int fd_set_nonblock(int fd, bool on, struct err *e)
{
	return set_flag(fd, F_GETFL, F_SETFL, O_NONBLOCK, on, e);
}

int fd_set_cloexec(int fd, bool on, struct err *e)
{
	return set_flag(fd, F_GETFD, F_SETFD, FD_CLOEXEC, on, e);
}

int fd_read_all(int fd, size_t max, const char *what, char **ret, size_t *ret_len, struct err *e)
{
	auto_buf struct buf b = BUF_INIT;

	for (;;) {
		size_t room = b.len < 4096 ? 4096 : b.len;
		char *to;
		ssize_t n;

		if (room > max + 1 - b.len)
			room = max + 1 - b.len;
		to = buf_reserve(&b, room);
		n = read(fd, to, room);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, errno, "read '%s'", what);
		if (n == 0)
			break;
		b.len += (size_t)n;
		if (b.len > max)
			return err_set(e, ERR_EXHAUSTED, "'%s' is larger than %zu bytes", what,
				       max);
	}
	buf_add(&b, "", 0);
	if (ret_len)
		*ret_len = b.len;
	*ret = take_ptr(b.data);
	return 0;
}

int file_read(int dirfd, const char *path, size_t max, char **ret, size_t *ret_len, struct err *e)
{
	auto_close int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, errno, "open '%s'", path);
	return fd_read_all(fd, max, path, ret, ret_len, e);
}

int file_read_line(int dirfd, const char *path, char **ret, struct err *e)
{
	char *text = NULL;
	size_t len;

	if (file_read(dirfd, path, 1 << 16, &text, &len, e) < 0)
		return -1;
	if (len > 0 && text[len - 1] == '\n')
		text[len - 1] = '\0';
	*ret = text;
	return 0;
}

int file_replace(int dirfd, const char *name, const void *buf, size_t len, struct err *e)
{
	auto_free char *tmp = xasprintf(".%s.new", name);
	auto_close int fd =
		openat(dirfd, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return err_sys(e, errno, "create '%s'", tmp);
	if (write_all(fd, buf, len) < 0) {
		err_sys(e, errno, "write '%s'", tmp);
		(void)unlinkat(dirfd, tmp, 0);
		return -1;
	}
	if (renameat(dirfd, tmp, dirfd, name) < 0) {
		err_sys(e, errno, "rename '%s' to '%s'", tmp, name);
		(void)unlinkat(dirfd, tmp, 0);
		return -1;
	}
	return 0;
}

int file_write(int dirfd, const char *path, const void *buf, size_t len, struct err *e)
{
	auto_close int fd = openat(dirfd, path, O_WRONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0)
		return err_sys(e, errno, "open '%s'", path);
	if (write(fd, buf, len) < 0)
		return err_sys(e, errno, "write '%.*s' to '%s'", (int)(len > 200 ? 200 : len),
			       (const char *)buf, path);
	return 0;
}

int file_writef(int dirfd, const char *path, struct err *e, const char *fmt, ...)
{
	auto_free char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	return file_write(dirfd, path, text, strlen(text), e);
}

int fd_move_up(int fd, int min)
{
	int moved;

	if (fd >= min)
		return fd;
	moved = fcntl(fd, F_DUPFD_CLOEXEC, min);
	if (moved >= 0)
		(void)close(fd);
	return moved;
}

int fd_take_metadata(int fd, const char *name, const struct stat *st, struct err *e)
{
	const struct timespec times[2] = { st->st_atim, st->st_mtim };

	if (fchown(fd, st->st_uid, st->st_gid) < 0 && errno != EPERM && errno != EINVAL)
		return err_sys(e, errno, "chown '%s'", name);
	if (fchmod(fd, st->st_mode & 07777) < 0)
		return err_sys(e, errno, "chmod '%s'", name);
	if (futimens(fd, times) < 0)
		return err_sys(e, errno, "set times of '%s'", name);
	return 0;
}
