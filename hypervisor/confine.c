/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Confinement of VMM and helpers; see confine.h.
 *
 * Root without capabilities still owns root's files, so a VMM also gets every mount read-only, in a
 * mount namespace of its own, and a pid namespace in which there is nobody to signal. A user of its
 * own (config: `user`) is better and costs nothing more.
 */
#include "hypervisor/confine.h"

#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/mount.h>
#include <linux/seccomp.h>
#include <linux/securebits.h>
#include <pwd.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "common/async/work.h"
#include "common/base/fd.h"
#include "common/base/mem.h"

#define GROUPS_MAX    64
#define CGROUPS_MAX   32           /* hierarchies; the kernel has some 14 controllers */
#define CGROUP_FILE   (64u * 1024) /* bytes of the list */
#define FILTER_MAX    (64u * 1024) /* bytes of BPF; the kernel takes 4096 instructions of 8 */
#define CAPABILITIES  64           /* bits in the two words of capset(2) */
#define HIGH_FD       64           /* where ours wait in the child: above the numbers it is given */
#define DENIED_TO_VMM (1u << CONFINE_VMM | 1u << CONFINE_DAEMON)
#define DENIED_TO_ALL (DENIED_TO_VMM | 1u << CONFINE_FS_DAEMON | 1u << CONFINE_NET_DAEMON)
#define CAP_BIT(cap)  (UINT64_C(1) << (cap))

struct confine {
	enum confine_role role;
	bool change_user;
	uid_t uid;
	gid_t gid;
	gid_t groups[GROUPS_MAX];
	int n_groups;
	uint64_t keep_caps; /* what the child may have after its exec */

	int netns_fd; /* ours; -1: none to join */
	bool new_netns;
	pid_t parent; /* this process */
	int cgroup_fds[CGROUPS_MAX];
	size_t n_cgroups;
	struct sock_fprog filter;
};

/*
 * What nobody who runs or serves a guest has a use for, whatever it was talked into. They answer
 * EPERM, so that a program that tries and can do without goes on. QEMU puts a list of its own on
 * top (config: seccompsandbox), virtiofsd an allow-list.
 */
static const struct {
	const char *name;
	unsigned roles;
} denied[] = {
	/* namespaces and mounts: virtiofsd moves into its share with these, passt out of sight */
	{ "mount", DENIED_TO_VMM },
	{ "umount2", DENIED_TO_VMM },
	{ "pivot_root", DENIED_TO_VMM },
	{ "chroot", DENIED_TO_VMM },
	{ "unshare", DENIED_TO_VMM },
	{ "move_mount", DENIED_TO_VMM },
	{ "open_tree", DENIED_TO_VMM },
	{ "fsopen", DENIED_TO_VMM },
	{ "fsmount", DENIED_TO_VMM },
	{ "fsconfig", DENIED_TO_VMM },
	{ "fspick", DENIED_TO_VMM },
	{ "mount_setattr", DENIED_TO_VMM },
	{ "open_by_handle_at", DENIED_TO_VMM },
	{ "mknod", DENIED_TO_VMM },
	{ "mknodat", DENIED_TO_VMM },
	{ "setns", DENIED_TO_ALL },
	/* other processes */
	{ "ptrace", DENIED_TO_ALL },
	{ "process_vm_readv", DENIED_TO_ALL },
	{ "process_vm_writev", DENIED_TO_ALL },
	{ "pidfd_getfd", DENIED_TO_ALL },
	{ "kcmp", DENIED_TO_ALL },
	/* the running kernel */
	{ "kexec_load", DENIED_TO_ALL },
	{ "kexec_file_load", DENIED_TO_ALL },
	{ "init_module", DENIED_TO_ALL },
	{ "finit_module", DENIED_TO_ALL },
	{ "delete_module", DENIED_TO_ALL },
	{ "reboot", DENIED_TO_ALL },
	{ "bpf", DENIED_TO_ALL },
	{ "perf_event_open", DENIED_TO_ALL },
	{ "userfaultfd", DENIED_TO_ALL },
	{ "syslog", DENIED_TO_ALL },
	{ "lookup_dcookie", DENIED_TO_ALL },
	{ "fanotify_init", DENIED_TO_ALL },
	/* the host as a whole */
	{ "swapon", DENIED_TO_ALL },
	{ "swapoff", DENIED_TO_ALL },
	{ "acct", DENIED_TO_ALL },
	{ "quotactl", DENIED_TO_ALL },
	{ "quotactl_fd", DENIED_TO_ALL },
	{ "nfsservctl", DENIED_TO_ALL },
	{ "iopl", DENIED_TO_ALL },
	{ "ioperm", DENIED_TO_ALL },
	{ "sethostname", DENIED_TO_ALL },
	{ "setdomainname", DENIED_TO_ALL },
	{ "settimeofday", DENIED_TO_ALL },
	{ "clock_settime", DENIED_TO_ALL },
	{ "clock_adjtime", DENIED_TO_ALL },
	{ "adjtimex", DENIED_TO_ALL },
	{ "vhangup", DENIED_TO_ALL },
	/* keys */
	{ "keyctl", DENIED_TO_ALL },
	{ "add_key", DENIED_TO_ALL },
	{ "request_key", DENIED_TO_ALL },
};

/*
 * To act on files as whoever the guest says, and to get into its share: the namespaces need
 * SYS_ADMIN, its own dropping of all this SETPCAP. It keeps the first two lines after its start.
 */
#define FS_DAEMON_CAPS                                                                           \
	(CAP_BIT(CAP_CHOWN) | CAP_BIT(CAP_DAC_OVERRIDE) | CAP_BIT(CAP_DAC_READ_SEARCH) |         \
	 CAP_BIT(CAP_FOWNER) | CAP_BIT(CAP_FSETID) | CAP_BIT(CAP_SETGID) | CAP_BIT(CAP_SETUID) | \
	 CAP_BIT(CAP_MKNOD) | CAP_BIT(CAP_SETFCAP) | CAP_BIT(CAP_SYS_ADMIN) |                    \
	 CAP_BIT(CAP_SYS_CHROOT) | CAP_BIT(CAP_SETPCAP))

/* The user database, which may ask the network: in the worker pool. */
struct lookup {
	const char *user;
	struct confine *c;
	int sys;    /* errno */
	bool found; /* else there is no such user */
	bool too_many;
};

static void look_up_user(void *arg)
{
	struct lookup *l = arg;
	struct passwd pw, *found = NULL;
	char room[4096];
	int n = GROUPS_MAX;

	l->sys = getpwnam_r(l->user, &pw, room, sizeof(room), &found);
	if (l->sys != 0 || !found)
		return;
	l->found = true;
	l->c->uid = pw.pw_uid;
	l->c->gid = pw.pw_gid;
	l->too_many = getgrouplist(l->user, pw.pw_gid, l->c->groups, &n) < 0;
	l->c->n_groups = n;
}

static int find_user(struct confine *c, const char *user, struct err *e)
{
	struct lookup l = { .user = user, .c = c };

	work_run(look_up_user, &l);
	if (l.sys != 0)
		return err_sys(e, l.sys, "look up user '%s'", user);
	if (!l.found)
		return err_set(e, ERR_NOT_FOUND, "there is no user '%s' to run the VMM as", user);
	if (l.too_many)
		return err_set(e, ERR_EXHAUSTED, "user '%s' is in more than %d groups", user,
			       GROUPS_MAX);
	c->change_user = true;
	return 0;
}

static int open_cgroup(struct confine *c, const char *dir, struct err *e)
{
	auto_free char *procs = xasprintf("%s/cgroup.procs", dir);
	auto_close int fd = -1;
	int moved;

	if (c->n_cgroups == CGROUPS_MAX)
		return err_set(e, ERR_EXHAUSTED, "more than %d cgroups to join", CGROUPS_MAX);
	fd = open(procs, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, errno, "open '%s'", procs);
	moved = fd_move_up(fd, HIGH_FD);
	if (moved < 0)
		return err_sys(e, errno, "descriptor of '%s'", procs);
	fd = -1; /* it has the new number */
	c->cgroup_fds[c->n_cgroups++] = moved;
	return 0;
}

static int open_cgroups(struct confine *c, const char *list, struct err *e)
{
	auto_free char *text = NULL;
	char *next;

	if (file_read(AT_FDCWD, list, CGROUP_FILE, &text, NULL, e) < 0)
		return err_wrap(e, "list of cgroups");
	next = text;
	for (char *dir; (dir = strsep(&next, "\n"));)
		if (*dir != '\0' && open_cgroup(c, dir, e) < 0)
			return -1;
	return 0;
}

/* The compiled filter comes out of libseccomp by descriptor. */
static int export_filter(scmp_filter_ctx ctx, struct sock_fprog *ret, struct err *e)
{
	auto_close int fd = memfd_create("seccomp filter", MFD_CLOEXEC);
	auto_free char *bpf = NULL;
	size_t len;
	int r;

	if (fd < 0)
		return err_sys(e, errno, "memfd for a system call filter");
	r = seccomp_export_bpf(ctx, fd);
	if (r < 0)
		return err_sys(e, -r, "compile the system call filter");
	if (lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(e, errno, "read the system call filter");
	if (fd_read_all(fd, FILTER_MAX, "system call filter", &bpf, &len, e) < 0)
		return -1;
	ret->len = (unsigned short)(len / sizeof(struct sock_filter));
	ret->filter = (struct sock_filter *)(void *)take_ptr(bpf);
	return 0;
}

static int build_filter(struct confine *c, struct err *e)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	int r = 0;

	if (!ctx)
		return err_set(e, ERR_INTERNAL, "cannot make a system call filter");
	/* A binary search instead of fifty comparisons for each system call of the VMM. */
	(void)seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	for (size_t i = 0; i < ARRAY_LEN(denied) && r == 0; i++) {
		int nr = seccomp_syscall_resolve_name(denied[i].name);

		/* Unknown here: the C library's or this machine's list of calls lacks it. */
		if (nr == __NR_SCMP_ERROR || !(denied[i].roles & 1u << c->role))
			continue;
		r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), nr, 0);
	}
	if (r < 0)
		err_sys(e, -r, "build the system call filter");
	else
		r = export_filter(ctx, &c->filter, e);
	seccomp_release(ctx);
	return r < 0 ? -1 : 0;
}

int confine_new(const struct confine_spec *s, struct confine **ret, struct err *e)
{
	auto_confine struct confine *c = xnew(struct confine);

	c->role = s->role;
	c->netns_fd = -1;
	c->new_netns = s->netns_fd == -1;
	c->parent = getpid();
	c->uid = geteuid();
	c->gid = getegid();
	c->keep_caps = s->role == CONFINE_FS_DAEMON ? FS_DAEMON_CAPS : 0;
	if (s->role != CONFINE_FS_DAEMON && *s->user != '\0' && find_user(c, s->user, e) < 0)
		return -1;
	if (s->netns_fd >= 0) {
		c->netns_fd = fcntl(s->netns_fd, F_DUPFD_CLOEXEC, HIGH_FD);
		if (c->netns_fd < 0)
			return err_sys(e, errno, "network namespace of the VMM");
	}
	if (s->cgroups && open_cgroups(c, s->cgroups, e) < 0)
		return -1;
	if (build_filter(c, e) < 0)
		return -1;
	*ret = take_ptr(c);
	return 0;
}

void confine_free(struct confine *c)
{
	if (!c)
		return;
	close_slot(&c->netns_fd);
	for (size_t i = 0; i < c->n_cgroups; i++)
		close_slot(&c->cgroup_fds[i]);
	free(c->filter.filter);
	free(c);
}

uint64_t confine_clone_flags(const struct confine *c)
{
	uint64_t flags = CLONE_NEWPID | CLONE_NEWIPC;

	if (c->new_netns)
		flags |= CLONE_NEWNET;
	if (c->role == CONFINE_VMM)
		flags |= CLONE_NEWNS;
	return flags;
}

uid_t confine_uid(const struct confine *c)
{
	return c->uid;
}

gid_t confine_gid(const struct confine *c)
{
	return c->gid;
}

/* From here on: the child, system calls only. */

static int join_cgroups(const struct confine *c)
{
	for (size_t i = 0; i < c->n_cgroups; i++)
		if (write(c->cgroup_fds[i], "0", 1) != 1)
			return -1;
	return 0;
}

/*
 * Every file system read-only, in our copy of the mounts. Unmounts on the host still reach the copy
 * (slave), or a VMM would keep each snapshot busy that was mounted when it started.
 */
static int see_read_only(void)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };

	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return -1;
	if (mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, &attr, sizeof(attr)) < 0 && errno != ENOSYS)
		return -1;
	return 0;
}

/* Also what a later exec, of root or of a file with capabilities, could give back. */
static int limit_bounding_set(uint64_t keep)
{
	for (unsigned long cap = 0; cap < CAPABILITIES; cap++) {
		if (keep & CAP_BIT(cap))
			continue;
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0) {
			if (errno == EINVAL) /* one more than this kernel knows */
				return 0;
			return -1;
		}
	}
	return 0;
}

/*
 * The system calls themselves: the C library's wrappers want every thread of the process to follow
 * and would wait for threads that were not cloned.
 */
static int change_ids(const struct confine *c)
{
	if (syscall(SYS_setgroups, c->n_groups, c->groups) < 0)
		return -1;
	if (syscall(SYS_setresgid, c->gid, c->gid, c->gid) < 0)
		return -1;
	if (syscall(SYS_setresuid, c->uid, c->uid, c->uid) < 0)
		return -1;
	return 0;
}

static int limit_capabilities(uint64_t keep)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = {
		{ .effective = (uint32_t)keep, .permitted = (uint32_t)keep },
		{ .effective = (uint32_t)(keep >> 32), .permitted = (uint32_t)(keep >> 32) },
	};
	struct __user_cap_data_struct have[2];

	/* Not more than we have ourselves: a container may run us with less than root's all. */
	if (syscall(SYS_capget, &header, have) < 0)
		return -1;
	for (int i = 0; i < 2; i++) {
		data[i].permitted &= have[i].permitted;
		data[i].effective &= have[i].permitted;
	}
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	return (int)syscall(SYS_capset, &header, data);
}

/*
 * Our parent as /proc counts, which is mounted for its pid namespace: getppid() answers 0 for one
 * outside of ours. -1 with errno.
 */
static pid_t parent_pid(void)
{
	char text
		[512]; /* of /proc/self/stat: the fourth field begins within the first hundred bytes */
	int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	const char *at;
	pid_t pid = 0;

	if (n < 0)
		return -1;
	(void)close(fd);
	text[n] = '\0';
	/* The name before it is in parentheses and may hold anything; then " S 4711 …". */
	at = strrchr(text, ')');
	if (!at || strlen(at) < 5) {
		errno = EINVAL;
		return -1;
	}
	for (at += 4; *at >= '0' && *at <= '9'; at++)
		pid = pid * 10 + (*at - '0');
	return pid;
}

/*
 * A change of ids or capabilities takes the signal away that child_spawn() had asked for. Asking
 * again leaves a moment in which the parent may have died unnoticed. The kernel sends the signals
 * and finds a new parent in one step, so a parent that is still ours now will send it. A pidfd of it
 * would tell less: while its last threads are on their way out it is not readable, and the signals
 * are sent already.
 */
static int die_with_parent(const struct confine *c)
{
	pid_t parent;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return -1;
	parent = parent_pid();
	if (parent < 0)
		return -1;
	if (parent != c->parent) {
		errno = ESRCH;
		return -1;
	}
	return 0;
}

/*
 * As many descriptors as we may have ourselves: a disk of a hundred layers takes QEMU four hundred, and
 * 1024 is what many hosts give.
 */
static int open_many_files(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return -1;
	files.rlim_cur = files.rlim_max;
	return setrlimit(RLIMIT_NOFILE, &files);
}

int confine_enter(void *confine, const char **ret_step)
{
	const struct confine *c = confine;
	struct rlimit none = { 0, 0 };

	*ret_step = "join the cgroup";
	if (join_cgroups(c) < 0)
		return -1;
	*ret_step = "join the network namespace";
	if (c->netns_fd >= 0 && setns(c->netns_fd, CLONE_NEWNET) < 0)
		return -1;
	*ret_step = "make the file systems read-only";
	if (c->role == CONFINE_VMM && see_read_only() < 0)
		return -1;
	*ret_step = "forbid core dumps";
	if (setrlimit(RLIMIT_CORE, &none) < 0)
		return -1;
	*ret_step = "raise the limit of open files";
	if (open_many_files() < 0)
		return -1;
	*ret_step = "limit the bounding set";
	if (limit_bounding_set(c->keep_caps) < 0)
		return -1;
	*ret_step = "change user and groups";
	if (c->change_user && change_ids(c) < 0)
		return -1;
	*ret_step = "drop capabilities";
	if (limit_capabilities(c->keep_caps) < 0)
		return -1;
	*ret_step = "set no_new_privs";
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -1;
	*ret_step = "follow the parent into death";
	if (die_with_parent(c) < 0)
		return -1;
	*ret_step = "load the system call filter";
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &c->filter) < 0)
		return -1;
	return 0;
}
