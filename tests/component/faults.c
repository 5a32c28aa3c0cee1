/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The n-th call that acquires or changes something fails with EIO; see faults.h. The linker puts these in
 * the place of the real ones (--wrap); the list of local.mk and this one are the same.
 *
 * Not here: what cannot fail for a reason of its own (close), what takes back (umount2, unlinkat), and
 * setns, after whose failure the agent ends itself rather than start children in the wrong place.
 */
#include "tests/component/faults.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct faults *shared;

__attribute__((constructor)) static void open_shared(void)
{
	const char *path = getenv(FAULTS_ENV);
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *at = fd < 0 ? MAP_FAILED
			  : mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (fd >= 0)
		(void)close(fd);
	if (at != MAP_FAILED)
		shared = at;
}

static bool fails(const char *name)
{
	if (!shared || atomic_load(&shared->at) == 0 ||
	    atomic_fetch_add(&shared->count, 1) + 1 != atomic_load(&shared->at))
		return false;
	(void)strncpy(shared->name, name, sizeof(shared->name) - 1);
	errno = EIO;
	return true;
}

/* The parameters as they are declared, and as they are passed on. */
#define WRAP(name, declared, passed)                             \
	int __real_##name declared;                              \
	int __wrap_##name declared;                              \
	int __wrap_##name declared                               \
	{                                                        \
		return fails(#name) ? -1 : __real_##name passed; \
	}

WRAP(mkdir, (const char *path, mode_t mode), (path, mode))
WRAP(mkdirat, (int dir, const char *path, mode_t mode), (dir, path, mode))
WRAP(mknod, (const char *path, mode_t mode, dev_t dev), (path, mode, dev))
WRAP(mknodat, (int dir, const char *path, mode_t mode, dev_t dev), (dir, path, mode, dev))
WRAP(symlink, (const char *target, const char *path), (target, path))
WRAP(symlinkat, (const char *target, int dir, const char *path), (target, dir, path))
WRAP(chmod, (const char *path, mode_t mode), (path, mode))
WRAP(fchmod, (int fd, mode_t mode), (fd, mode))
WRAP(fchmodat, (int dir, const char *path, mode_t mode, int flags), (dir, path, mode, flags))
WRAP(chown, (const char *path, uid_t uid, gid_t gid), (path, uid, gid))
WRAP(fchown, (int fd, uid_t uid, gid_t gid), (fd, uid, gid))
WRAP(fchownat, (int dir, const char *path, uid_t uid, gid_t gid, int flags),
     (dir, path, uid, gid, flags))
WRAP(renameat, (int from_dir, const char *from, int to_dir, const char *to),
     (from_dir, from, to_dir, to))
WRAP(mount,
     (const char *source, const char *target, const char *type, unsigned long flags,
      const void *data),
     (source, target, type, flags, data))
WRAP(open_tree, (int dir, const char *path, unsigned flags), (dir, path, flags))
WRAP(mount_setattr, (int dir, const char *path, unsigned flags, void *attr, size_t size),
     (dir, path, flags, attr, size))
WRAP(pipe2, (int fds[2], int flags), (fds, flags))
WRAP(socket, (int domain, int type, int protocol), (domain, type, protocol))
WRAP(socketpair, (int domain, int type, int protocol, int fds[2]), (domain, type, protocol, fds))
WRAP(memfd_create, (const char *name, unsigned flags), (name, flags))
WRAP(inotify_init1, (int flags), (flags))
WRAP(inotify_add_watch, (int fd, const char *path, unsigned mask), (fd, path, mask))
WRAP(unshare, (int flags), (flags))
WRAP(sethostname, (const char *name, size_t len), (name, len))
WRAP(swapon, (const char *path, int flags), (path, flags))
WRAP(dup2, (int from, int to), (from, to))
WRAP(chdir, (const char *path), (path))
WRAP(fork, (void), ())

static mode_t mode_of(int flags, va_list ap)
{
	return flags & (O_CREAT | __O_TMPFILE) ? va_arg(ap, mode_t) : 0;
}

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...)
{
	mode_t mode;
	va_list ap;

	va_start(ap, flags);
	mode = mode_of(flags, ap);
	va_end(ap);
	return fails("open") ? -1 : __real_open(path, flags, mode);
}

int __real_openat(int dir, const char *path, int flags, ...);
int __wrap_openat(int dir, const char *path, int flags, ...);
int __wrap_openat(int dir, const char *path, int flags, ...)
{
	mode_t mode;
	va_list ap;

	va_start(ap, flags);
	mode = mode_of(flags, ap);
	va_end(ap);
	return fails("openat") ? -1 : __real_openat(dir, path, flags, mode);
}

int __real_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, ...)
{
	va_list ap;
	long arg;

	va_start(ap, command);
	arg = va_arg(ap, long);
	va_end(ap);
	if (command == F_DUPFD_CLOEXEC && fails("fcntl"))
		return -1;
	return __real_fcntl(fd, command, arg);
}

/* clone3, openat2, pidfd_open, pivot_root and others without a function in the C library. */
long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);
long __wrap_syscall(long number, ...)
{
	va_list ap;
	long a[6];

	va_start(ap, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	/* Killing takes back. */
	if (number != SYS_pidfd_send_signal && fails("syscall"))
		return -1;
	return __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* To files: of cgroups, of the kernel, of memory. Not the log, not the connection. */
ssize_t __real_write(int fd, const void *data, size_t len);
ssize_t __wrap_write(int fd, const void *data, size_t len);
ssize_t __wrap_write(int fd, const void *data, size_t len)
{
	struct stat st;

	if (fd > STDERR_FILENO && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && fails("write"))
		return -1;
	return __real_write(fd, data, len);
}
