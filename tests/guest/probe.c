/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a container process finds itself to be, as one JSON object on standard output: for the comparison
 * of two runtimes. Linked statically, because it runs in whatever root file system.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <unistd.h>

#define GROUPS_MAX 64
#define LINE_BYTES 4096

static const char *between = "";

static void print_text(const char *s)
{
	putchar('"');
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\')
			printf("\\%c", c);
		else if (c < 0x20)
			printf("\\u%04x", c);
		else
			putchar(c);
	}
	putchar('"');
}

static void member(const char *name)
{
	printf("%s\n\"%s\": ", between, name);
	between = ",";
}

static void text_member(const char *name, const char *value)
{
	member(name);
	print_text(value);
}

static void number_member(const char *name, long long value)
{
	member(name);
	printf("%lld", value);
}

/* The first line of a file without its newline, or how it cannot be read. */
static void file_text(const char *path, char *line, int size)
{
	FILE *f = fopen(path, "re");

	errno = 0;
	if (!f || !fgets(line, size, f))
		(void)snprintf(line, (size_t)size, "%s",
			       !f      ? strerrorname_np(errno)
			       : errno ? strerrorname_np(errno)
				       : "");
	line[strcspn(line, "\n")] = '\0';
	if (f)
		(void)fclose(f);
}

static void ids(void)
{
	gid_t groups[GROUPS_MAX];
	int n = getgroups(GROUPS_MAX, groups);
	uid_t r, e, s;
	gid_t rg, eg, sg;
	mode_t mask = umask(0);

	(void)umask(mask);
	(void)getresuid(&r, &e, &s);
	(void)getresgid(&rg, &eg, &sg);
	member("ids");
	printf("[%u, %u, %u, %u, %u, %u]", r, e, s, rg, eg, sg);
	member("groups");
	putchar('[');
	for (int i = 0; i < n; i++)
		printf("%s%u", i ? ", " : "", groups[i]);
	putchar(']');
	number_member("umask", mask);
	number_member("is session leader", getsid(0) == getpid());
	number_member("dumpable", prctl(PR_GET_DUMPABLE));
}

/* The lines of /proc/self/status about rights and signals. */
static void status(void)
{
	static const char *const keys[] = { "CapInh",     "CapPrm",  "CapEff", "CapBnd", "CapAmb",
					    "NoNewPrivs", "Seccomp", "SigBlk", "SigIgn", "SigCgt" };
	FILE *f = fopen("/proc/self/status", "re");
	char line[LINE_BYTES];

	while (f && fgets(line, sizeof(line), f)) {
		char *colon = strchr(line, ':');

		if (!colon)
			continue;
		*colon = '\0';
		line[strcspn(line, "\n")] = '\0';
		for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
			char *value = colon + 1 + strspn(colon + 1, "\t ");

			value[strcspn(value, "\n")] = '\0';
			if (strcmp(line, keys[i]) == 0)
				text_member(keys[i], value);
		}
	}
	if (f)
		(void)fclose(f);
}

static void limits(void)
{
	member("limits");
	putchar('[');
	for (int i = 0; i < RLIM_NLIMITS; i++) {
		struct rlimit l = { 0, 0 };

		(void)getrlimit((__rlimit_resource_t)i, &l);
		printf("%s[%" PRId64 ", %" PRId64 "]", i ? ", " : "", (int64_t)l.rlim_cur,
		       (int64_t)l.rlim_max);
	}
	putchar(']');
}

/* "destination type options": the device numbers and sources differ between machines. */
static void mounts(void)
{
	FILE *f = fopen("/proc/self/mounts", "re");
	char line[LINE_BYTES];
	const char *comma = "";

	member("mounts");
	putchar('[');
	while (f && fgets(line, sizeof(line), f)) {
		char *rest = NULL;
		char *word[4] = { NULL };

		for (int i = 0; i < 4; i++)
			word[i] = strtok_r(i ? NULL : line, " ", &rest);
		if (!word[3])
			continue;
		printf("%s\n[", comma);
		comma = ",";
		for (int i = 1; i < 4; i++) {
			print_text(word[i]);
			printf("%s", i < 3 ? ", " : "]");
		}
	}
	putchar(']');
	if (f)
		(void)fclose(f);
}

static void propagation(void)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	char line[LINE_BYTES];
	bool shared = false;
	bool master = false;

	while (f && fgets(line, sizeof(line), f)) {
		shared = shared || strstr(line, " shared:");
		master = master || strstr(line, " master:");
	}
	if (f)
		(void)fclose(f);
	number_member("shared mounts", shared);
	number_member("slave mounts", master);
}

static const char *kind(mode_t mode)
{
	return S_ISCHR(mode)    ? "c"
	       : S_ISDIR(mode)  ? "d"
	       : S_ISLNK(mode)  ? "l"
	       : S_ISFIFO(mode) ? "p"
				: "f";
}

static void nodes(void)
{
	static const char *const paths[] = {
		"/dev/null",   "/dev/zero",   "/dev/full",    "/dev/random", "/dev/urandom",
		"/dev/tty",    "/dev/ptmx",   "/dev/console", "/dev/fd",     "/dev/stdin",
		"/dev/stdout", "/dev/stderr", "/dev/core",    "/dev/kcore",  "/dev/kmsg",
		"/dev/mem",    "/dev/fuse",   "/dev/test",    "/dev/shm",    "/dev/pts"
	};

	member("nodes");
	putchar('{');
	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
		char target[256] = "";
		struct stat st;

		printf("%s\n\"%s\": ", i ? "," : "", paths[i]);
		if (lstat(paths[i], &st) < 0)
			printf("\"%s\"", strerrorname_np(errno));
		else if (S_ISLNK(st.st_mode) && readlink(paths[i], target, sizeof(target) - 1) > 0)
			printf("\"-> %s\"", target);
		else
			printf("\"%s %o %u:%u %u:%u\"", kind(st.st_mode), st.st_mode & 07777,
			       st.st_uid, st.st_gid, S_ISCHR(st.st_mode) ? major(st.st_rdev) : 0,
			       S_ISCHR(st.st_mode) ? minor(st.st_rdev) : 0);
	}
	putchar('}');
}

/* How each path can be read and written: what masking and read-only paths come to. */
static void paths(void)
{
	static const char *const names[] = { "/",
					     "/proc/kcore",
					     "/proc/keys",
					     "/proc/scsi",
					     "/proc/acpi",
					     "/proc/sysrq-trigger",
					     "/proc/sys/kernel/hostname",
					     "/proc/bus",
					     "/proc/fs",
					     "/proc/irq",
					     "/sys/firmware",
					     "/sys/kernel",
					     "/tmp",
					     "/etc" };

	member("paths");
	putchar('{');
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		struct stat st = { .st_mode = 0 };
		int found = stat(names[i], &st) == 0 ? 0 : errno;
		char byte;
		int fd = found ? -1 : open(names[i], O_RDONLY | O_CLOEXEC | O_NONBLOCK);
		ssize_t n = fd >= 0 && !S_ISDIR(st.st_mode) ? read(fd, &byte, 1) : 0;
		bool read_only = !found && access(names[i], W_OK) < 0 && errno == EROFS;

		printf("%s\n\"%s\": \"%s%s%s%s\"", i ? "," : "", names[i],
		       found ? strerrorname_np(found) : kind(st.st_mode),
		       read_only ? " read-only" : "", !found && fd < 0 ? " unreadable" : "",
		       n > 0 ? " has content" : "");
		if (fd >= 0)
			(void)close(fd);
	}
	putchar('}');
}

static void result(const char *name, long value)
{
	printf("%s\n\"%s\": \"%s\"", between, name, value < 0 ? strerrorname_np(errno) : "done");
	between = ",";
}

/* Calls that capabilities, seccomp or the device cgroup have a say in. */
static void calls(void)
{
	int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	member("calls");
	putchar('{');
	between = "";
	result("sethostname", sethostname("other", 5));
	result("unshare user", syscall(SYS_unshare, CLONE_NEWUSER));
	result("mknod null", mknod("/tmp/probe-null", S_IFCHR | 0600, makedev(1, 3)));
	result("open made null", open("/tmp/probe-null", O_RDWR | O_CLOEXEC));
	result("mknod kmsg", mknod("/tmp/probe-kmsg", S_IFCHR | 0600, makedev(1, 11)));
	result("open made kmsg", open("/tmp/probe-kmsg", O_RDWR | O_CLOEXEC | O_NONBLOCK));
	result("chroot", chroot("/tmp") == 0 ? chdir("/") : -1);
	result("raw socket", socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, 1));
	result("chown", fchown(null_fd, getuid(), getgid()));
	result("keyctl", syscall(SYS_keyctl, 0, -3, 0, 0, 0));
	result("getcpu", syscall(SYS_getcpu, NULL, NULL, NULL));
	result("personality", syscall(SYS_personality, 0xffffffff));
	result("kexec_load", syscall(SYS_kexec_load, 0, 0, NULL, 0));
	result("nice -5", setpriority(PRIO_PROCESS, 0, -5));
	putchar('}');
	between = ",";
}

static void surroundings(void)
{
	static const char *const namespaces[] = { "cgroup", "ipc",  "mnt", "net",
						  "pid",    "user", "uts" };
	char line[LINE_BYTES];
	struct utsname name;

	(void)uname(&name);
	text_member("hostname", name.nodename);
	text_member("domain name", name.domainname);
	text_member("cwd", getcwd(line, sizeof(line)) ? line : strerrorname_np(errno));
	number_member("pid", getpid());
	number_member("parent", getppid());
	member("environment");
	putchar('[');
	for (char **v = environ; *v; v++) {
		printf("%s", v == environ ? "" : ", ");
		print_text(*v);
	}
	putchar(']');
	file_text("/proc/self/oom_score_adj", line, sizeof(line));
	text_member("oom score", line);
	file_text("/proc/self/uid_map", line, sizeof(line));
	text_member("uid map", line);
	file_text("/proc/sys/net/ipv4/ip_unprivileged_port_start", line, sizeof(line));
	text_member("sysctl unprivileged ports", line);
	file_text("/proc/sys/kernel/shm_rmid_forced", line, sizeof(line));
	text_member("sysctl shm", line);
	file_text("/proc/self/attr/current", line, sizeof(line));
	text_member("label", line);
	member("namespaces");
	putchar('{');
	for (size_t i = 0; i < sizeof(namespaces) / sizeof(*namespaces); i++) {
		char path[64], target[64] = "";

		(void)snprintf(path, sizeof(path), "/proc/self/ns/%s", namespaces[i]);
		(void)!readlink(path, target, sizeof(target) - 1);
		printf("%s\"%s\": \"%s\"", i ? ", " : "", namespaces[i], target);
	}
	putchar('}');
}

static void descriptors(void)
{
	member("descriptors");
	putchar('[');
	for (int fd = 0, first = 1; fd < 64; fd++) {
		if (fcntl(fd, F_GETFD) < 0)
			continue;
		printf("%s%d", first ? "" : ", ", fd);
		first = 0;
	}
	putchar(']');
}

/* `probe watch DIR`: the names of what inotify tells of a directory, one a line, until somebody ends it. */
static int watch(const char *dir)
{
	char events[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	int fd = inotify_init1(IN_CLOEXEC);

	if (fd < 0 || inotify_add_watch(fd, dir, IN_CREATE | IN_MOVED_TO | IN_DELETE) < 0)
		return 1;
	for (;;) {
		ssize_t n = read(fd, events, sizeof(events));

		for (ssize_t at = 0; at < n;) {
			const struct inotify_event *event = (const void *)(events + at);

			if (event->len > 0)
				printf("%s\n", event->name);
			at += (ssize_t)(sizeof(*event) + event->len);
		}
		if (n <= 0 || fflush(stdout) != 0)
			return 1;
	}
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "watch") == 0)
		return watch(argv[2]);
	putchar('{');
	descriptors();
	ids();
	status();
	limits();
	surroundings();
	mounts();
	propagation();
	nodes();
	paths();
	calls();
	puts("\n}");
	return fflush(stdout) == 0 ? 0 : 1;
}
