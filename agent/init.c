/* SPDX-License-Identifier: Apache-2.0 */
/* Duties of PID 1: the first mounts and the last system call; see init.h and agent-protocol 1.8. */
#include "agent/init.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "common/base/fd.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/path.h"

#define CGROUP_DIR   "/sys/fs/cgroup"
#define CGROUPS_MAX  (64u << 10)
#define COMMON_FLAGS (MS_NOSUID | MS_NODEV | MS_NOEXEC)

static const struct first_mount {
	const char *fstype, *target;
	unsigned long flags;
	const char *data;
} first_mounts[] = {
	{ "proc", "/proc", COMMON_FLAGS, NULL },
	{ "sysfs", "/sys", COMMON_FLAGS, NULL },
	{ "devtmpfs", "/dev", MS_NOSUID, "mode=0755" },
	{ "tmpfs", "/dev/shm", MS_NOSUID | MS_NODEV, "mode=1777" },
	{ "devpts", "/dev/pts", MS_NOSUID | MS_NOEXEC, "mode=0620,ptmxmode=0666,gid=5" },
	{ "tmpfs", "/run", MS_NOSUID | MS_NODEV, "mode=0755" },
};

static const struct {
	const char *target, *link;
} dev_links[] = {
	{ "/proc/self/fd", "/dev/fd" },       { "/proc/self/fd/0", "/dev/stdin" },
	{ "/proc/self/fd/1", "/dev/stdout" }, { "/proc/self/fd/2", "/dev/stderr" },
	{ "pts/ptmx", "/dev/ptmx" },
};

/*
 * The initramfs is the root of the mount namespace and has no parent, so pivot_root(2) refuses to
 * leave it. The same tree mounted once more on top of itself is an ordinary mount, which containers
 * can be pivoted away from and then do not have among theirs. Nothing is copied.
 */
static int mount_root(struct err *e)
{
	static const char spot[] = "/run"; /* any directory; what is to be there comes later */

	if (mkdir(spot, 0755) < 0 && errno != EEXIST)
		return err_sys(e, errno, "create '%s'", spot);
	if (mount("/", spot, NULL, MS_BIND, NULL) < 0)
		return err_sys(e, errno, "mount '/' at '%s'", spot);
	if (chdir(spot) < 0)
		return err_sys(e, errno, "enter '%s'", spot);
	if (mount(".", "/", NULL, MS_MOVE, NULL) < 0)
		return err_sys(e, errno, "move '%s' to '/'", spot);
	if (chroot(".") < 0 || chdir("/") < 0)
		return err_sys(e, errno, "enter the moved '/'");
	return 0;
}

/*
 * Lock "/" in its place. A container that may mount could otherwise take its root away, enter its
 * mount namespace anew and be on the initramfs. The kernel locks what is mounted when a namespace is
 * copied for a less privileged user namespace (mount_namespaces(7)), the lock outlives a copy back,
 * and pivot_root(2) hands it on to the new root. So: a child in namespaces of its own, then a copy of
 * its mounts for us. What is mounted later is not locked.
 */
static int lock_root(struct err *e)
{
	int pidfd = -1;
	struct clone_args args = {
		.flags = CLONE_NEWUSER | CLONE_NEWNS | CLONE_PIDFD,
		.pidfd = (uint64_t)(uintptr_t)&pidfd,
		.exit_signal = SIGCHLD,
	};
	pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	siginfo_t ended;
	int r = 0;

	if (pid < 0)
		return err_sys(e, errno, "make a user namespace");
	if (pid == 0)
		for (;;)
			(void)pause();
	/* The kernel's own threads share "/" and working directory with its first process. */
	if (unshare(CLONE_FS) < 0 || setns(pidfd, CLONE_NEWNS) < 0 || unshare(CLONE_NEWNS) < 0)
		r = err_sys(e, errno, "copy the mounts of a user namespace");
	(void)kill(pid, SIGKILL);
	(void)waitid((idtype_t)P_PIDFD, (id_t)pidfd, &ended, WEXITED);
	(void)close(pidfd);
	return r;
}

static int mount_one(const struct first_mount *m, struct err *e)
{
	if (mkdir(m->target, 0755) < 0 && errno != EEXIST)
		return err_sys(e, errno, "create '%s'", m->target);
	/* EBUSY: the kernel (devtmpfs) or the image has mounted it already. */
	if (mount(m->fstype, m->target, m->fstype, m->flags, m->data) < 0 && errno != EBUSY)
		return err_sys(e, errno, "mount %s at '%s'", m->fstype, m->target);
	return 0;
}

static int mount_first(struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(first_mounts); i++)
		if (mount_one(&first_mounts[i], e) < 0)
			return -1;
	return 0;
}

/* One hierarchy for each controller that /proc/cgroups has switched on: "NAME HIERARCHY COUNT ENABLED". */
static int mount_controllers(char *table, struct err *e)
{
	char *save = NULL;

	for (char *line = strtok_r(table, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		auto_free char *target = NULL;
		char *name = line;
		size_t len = strlen(line);

		if (line[0] == '#' || len < 2 || line[len - 1] != '1')
			continue;
		line[strcspn(line, " \t")] = '\0';
		target = path_join(CGROUP_DIR, name);
		if (mount_one(&(const struct first_mount){ .fstype = "cgroup",
							   .target = target,
							   .flags = COMMON_FLAGS | MS_RELATIME,
							   .data = name },
			      e) < 0)
			return -1;
	}
	return 0;
}

int init_cgroups(bool unified, struct err *e)
{
	static const struct first_mount v2 = { "cgroup2", CGROUP_DIR, COMMON_FLAGS | MS_RELATIME,
					       "nsdelegate" };
	static const struct first_mount v1 = { "tmpfs", CGROUP_DIR, COMMON_FLAGS, "mode=0755" };
	auto_free char *table = NULL;

	if (unified)
		return mount_one(&v2, e);
	if (mount_one(&v1, e) < 0 ||
	    file_read(AT_FDCWD, "/proc/cgroups", CGROUPS_MAX, &table, NULL, e) < 0)
		return -1;
	return mount_controllers(table, e);
}

static int link_devices(struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(dev_links); i++) {
		/* devtmpfs has a ptmx node of its own, which belongs to no devpts of ours. */
		if (unlink(dev_links[i].link) < 0 && errno != ENOENT)
			return err_sys(e, errno, "remove '%s'", dev_links[i].link);
		if (symlink(dev_links[i].target, dev_links[i].link) < 0)
			return err_sys(e, errno, "link '%s'", dev_links[i].link);
	}
	return 0;
}

/* Where the initrd has no /dev/console the kernel starts PID 1 without any descriptor. */
static void open_console(void)
{
	int fd = open("/dev/console", O_RDWR | O_NOCTTY);

	if (fd < 0)
		fd = open("/dev/null", O_RDWR);
	for (int i = 0; i <= 2; i++)
		if (fd >= 0 && fd != i)
			(void)dup2(fd, i);
	if (fd > 2)
		(void)close(fd);
}

static void set_hostname(void)
{
	auto_free char *name = NULL;
	struct err absent = ERR_INIT;

	if (file_read_line(AT_FDCWD, "/etc/hostname", &name, &absent) < 0 || !name[0]) {
		free(name);
		name = xstrdup("localhost");
	}
	if (sethostname(name, strlen(name)) < 0)
		log_warn("set hostname '%s': %s", name, strerror(errno));
}

static void loopback_up(void)
{
	auto_close int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq req = { .ifr_name = "lo" };

	if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &req) < 0) {
		log_warn("loopback interface: %s", strerror(errno));
		return;
	}
	req.ifr_flags |= IFF_UP | IFF_RUNNING;
	if (ioctl(fd, SIOCSIFFLAGS, &req) < 0)
		log_warn("set the loopback interface up: %s", strerror(errno));
}

int init_mounts(struct err *e)
{
	struct err unlocked = ERR_INIT;

	(void)umask(0022);
	if (mount_root(e) < 0)
		return -1;
	/* A kernel without user namespaces can do without. */
	(void)!lock_root(&unlocked);
	if (mount_first(e) < 0 || link_devices(e) < 0)
		return -1;
	open_console();
	if (unlocked.code != ERR_NONE)
		log_warn("containers that may mount can reach the guest's files: %s",
			 unlocked.text);
	(void)setsid();
	if (setenv("PATH", "/bin:/sbin:/usr/bin:/usr/sbin", 1) < 0)
		return err_sys(e, errno, "set PATH");
	set_hostname();
	loopback_up();
	return 0;
}

_Noreturn void init_power_off(void)
{
	sync();
	(void)reboot(RB_POWER_OFF);
	log_error("power off: %s", strerror(errno));
	for (;;)
		(void)pause();
}
