/* SPDX-License-Identifier: Apache-2.0 */
/* Runs the stage for tests; see stage_harness.h. */
#include "tests/component/stage_harness.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/process/stage.h"
#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "tests/component/assert.h"

#define FAR_FD 100 /* above every number that the stage is given */

bool stage_run_is_stage(int argc, char **argv, int *ret_code)
{
	if (argc != 2 || strcmp(argv[1], "stage") != 0)
		return false;
	*ret_code = stage_main();
	return true;
}

static void copy_busybox(const char *to)
{
	auto_close int in = open("/bin/busybox", O_RDONLY | O_CLOEXEC);
	auto_close int out = open(to, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
	char *data = NULL;
	size_t len;
	struct err e = ERR_INIT;

	assert_true(in >= 0 && out >= 0);
	assert_int_equal(fd_read_all(in, 16u << 20, "busybox", &data, &len, &e), 0);
	assert_int_equal(write_all(out, data, len), 0);
	free(data);
}

static void make_root(struct stage_run *t)
{
	static const char *const dirs[] = { "bin", "dev", "etc", "proc", "sys", "tmp" };
	static const char *const applets[] = { "sh", "id", "cat", "grep", "hostname" };
	auto_free char *busybox = path_join(t->rootfs, "bin/busybox");
	auto_free char *passwd = path_join(t->rootfs, "etc/passwd");
	auto_free char *group = path_join(t->rootfs, "etc/group");
	FILE *f;

	assert_int_equal(mkdir(t->rootfs, 0755), 0);
	for (size_t i = 0; i < ARRAY_LEN(dirs); i++) {
		auto_free char *path = path_join(t->rootfs, dirs[i]);

		assert_int_equal(mkdir(path, 0755), 0);
	}
	copy_busybox(busybox);
	for (size_t i = 0; i < ARRAY_LEN(applets); i++) {
		auto_free char *path = xasprintf("%s/bin/%s", t->rootfs, applets[i]);

		assert_int_equal(symlink("busybox", path), 0);
	}
	f = fopen(passwd, "we");
	assert_non_null(f);
	(void)fputs("root:x:0:0::/root:/bin/sh\nalice:x:1000:1001::/home/alice:/bin/sh\n", f);
	(void)fclose(f);
	f = fopen(group, "we");
	assert_non_null(f);
	(void)fputs("root:x:0:\nwheel:x:10:bob,alice\n", f);
	(void)fclose(f);
}

void stage_run_mount(struct stage_run *t, const char *destination, const char *type,
		     const char *source, const char *options)
{
	Grpc__Mount *m = &t->mount[t->spec.n_mounts];
	char *copy = xstrdup(options);
	char *save = NULL;

	grpc__mount__init(m);
	m->destination = xstrdup(destination);
	m->type = xstrdup(type);
	m->source = xstrdup(source);
	m->options = NULL;
	for (char *o = strtok_r(copy, ",", &save); o; o = strtok_r(NULL, ",", &save))
		strv_add(&m->options, o);
	m->n_options = strv_len((const char *const *)m->options);
	t->mounts[t->spec.n_mounts++] = m;
	free(copy);
}

void stage_run_namespace(struct stage_run *t, const char *type, int fd)
{
	Husk__Stage__StageNamespace *ns = &t->ns[t->req.n_namespaces];

	husk__stage__stage_namespace__init(ns);
	ns->type = xstrdup(type);
	if (fd >= 0) {
		ns->fd = STAGE_FD_FIRST_NS + (int)t->n_ns_fds;
		t->ns_fds[t->n_ns_fds++] = fd;
	}
	t->namespaces[t->req.n_namespaces++] = ns;
}

void stage_run_shell(struct stage_run *t, const char *script)
{
	t->args[0] = lit("/bin/sh");
	t->args[1] = lit("-c");
	t->args[2] = lit(script);
	t->process.n_args = 3;
}

void stage_run_all_caps(struct stage_run *t)
{
	static const char *const all[] = { "CAP_CHOWN",     "CAP_DAC_OVERRIDE", "CAP_FOWNER",
					   "CAP_KILL",      "CAP_MKNOD",        "CAP_NET_ADMIN",
					   "CAP_SETGID",    "CAP_SETUID",       "CAP_SYS_ADMIN",
					   "CAP_SYS_CHROOT" };
	char **names = (char **)(uintptr_t)all;

	t->caps.bounding = t->caps.effective = t->caps.permitted = names;
	t->caps.n_bounding = t->caps.n_effective = t->caps.n_permitted = ARRAY_LEN(all);
}

void stage_run_init(struct stage_run *t)
{
	static const char *const env[] = { "PATH=/bin:/sbin", "TERM=vt100" };
	char template[] = "/tmp/husk-stage-XXXXXX";

	*t = (struct stage_run){ .code = -1 };
	assert_non_null(mkdtemp(template));
	assert_int_equal(chmod(template, 0755), 0);
	t->dir = xstrdup(template);
	t->rootfs = path_join(t->dir, "rootfs");
	make_root(t);

	husk__stage__stage_request__init(&t->req);
	grpc__spec__init(&t->spec);
	grpc__root__init(&t->root);
	grpc__linux__init(&t->linux_part);
	grpc__process__init(&t->process);
	grpc__user__init(&t->user);
	grpc__linux_capabilities__init(&t->caps);
	t->req.container_id = lit("test");
	t->req.spec = &t->spec;
	t->req.process = &t->process;
	t->req.rootfs = t->rootfs;
	t->req.namespaces = t->namespaces;
	t->spec.root = &t->root;
	t->spec.linux = &t->linux_part;
	t->spec.mounts = t->mounts;
	t->process.user = &t->user;
	t->process.cwd = lit("/");
	t->process.args = t->args;
	t->process.env = (char **)(uintptr_t)env;
	t->process.n_env = ARRAY_LEN(env);
	t->process.capabilities = &t->caps;
	t->process.nonewprivileges = 1;

	stage_run_mount(t, "/proc", "proc", "proc", "nosuid,noexec,nodev");
	stage_run_mount(t, "/dev", "tmpfs", "tmpfs", "nosuid,strictatime,mode=755,size=65536k");
	stage_run_mount(t, "/dev/pts", "devpts", "devpts",
			"nosuid,noexec,newinstance,ptmxmode=0666,mode=0620");
	stage_run_mount(t, "/sys", "sysfs", "sysfs", "nosuid,noexec,nodev,ro");
	stage_run_namespace(t, "mount", -1);
	stage_run_namespace(t, "uts", -1);
	stage_run_namespace(t, "ipc", -1);
	stage_run_namespace(t, "cgroup", -1);
}

void stage_run_done(struct stage_run *t)
{
	struct err e = ERR_INIT;

	assert_int_equal(path_remove_tree(AT_FDCWD, t->dir, &e), 0);
	for (size_t i = 0; i < t->spec.n_mounts; i++) {
		free(t->mount[i].destination);
		free(t->mount[i].type);
		free(t->mount[i].source);
		strv_free(t->mount[i].options);
	}
	for (size_t i = 0; i < t->req.n_namespaces; i++)
		free(t->ns[i].type);
	free(t->dir);
	free(t->rootfs);
	strv_free(t->warnings);
	free(t->step);
	free(t->error);
	free(t->out);
}

const char *stage_run_path(const struct stage_run *t, const char *below)
{
	static char buf[4][512];
	static unsigned next;
	char *p = buf[next++ % 4];

	(void)snprintf(p, sizeof(buf[0]), "%s/%s", t->dir, below);
	return p;
}

static _Noreturn void become_stage(const struct stage_run *t, const int from[static 6])
{
	int far[6 + HARNESS_ITEMS];
	size_t n = 6 + t->n_ns_fds;

	for (size_t i = 0; i < n; i++) {
		far[i] = fcntl(i < 6 ? from[i] : t->ns_fds[i - 6], F_DUPFD_CLOEXEC, FAR_FD);
		if (far[i] < 0)
			_exit(120);
	}
	for (size_t i = 0; i < n; i++)
		if (dup2(far[i], (int)i) < 0)
			_exit(121);
	(void)execl("/proc/self/exe", "husk-agent", "stage", (char *)NULL);
	_exit(122);
}

static void read_error(struct stage_run *t, const char *data, size_t len)
{
	Husk__Stage__StageError *msg;

	assert_true(len > 0 && data[0] == STAGE_FAILED);
	msg = husk__stage__stage_error__unpack(NULL, len - 1, (const uint8_t *)data + 1);
	assert_non_null(msg);
	t->step = xstrdup(msg->step);
	t->error = xstrdup(msg->text);
	husk__stage__stage_error__free_unpacked(msg, NULL);
}

/* For children to come. */
static void enter_pid_namespace(int of)
{
	auto_free char *path = xasprintf("/proc/%d/ns/pid", of);
	auto_close int fd = of ? open(path, O_RDONLY | O_CLOEXEC) : -1;

	if (of)
		assert_int_equal(setns(fd, CLONE_NEWPID), 0);
}

/* One byte of the status socket, as read_full(); *ret_fd: what came with it, else unchanged. */
static ssize_t read_mark(int status, char *ret, int *ret_fd)
{
	struct iovec iov = { .iov_base = ret, .iov_len = 1 };
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control.space) };
	ssize_t n = recvmsg(status, &msg, MSG_CMSG_CLOEXEC);

	if (n == 1 && CMSG_FIRSTHDR(&msg))
		memcpy(ret_fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(int));
	return n;
}

static void read_warning(struct stage_run *t, int status)
{
	uint8_t size[2];
	size_t len;
	char *text;

	assert_int_equal(read_full(status, size, 2), 2);
	len = size[0] | (size_t)size[1] << 8;
	assert_in_range(len, 1, STAGE_WARNING_MAX);
	text = xcalloc(len + 1, 1);
	assert_int_equal(read_full(status, text, len), len);
	strv_add(&t->warnings, text);
	free(text);
}

/* Until the end, which a terminal tells with EIO. */
static char *read_output(int fd)
{
	struct buf all = BUF_INIT;

	for (;;) {
		char chunk[4096];
		ssize_t n = read(fd, chunk, sizeof(chunk));

		if (n <= 0)
			break;
		buf_add(&all, chunk, (size_t)n);
	}
	buf_add(&all, "", 0);
	return all.data;
}

static struct {
	int status, out;
} ends;

int stage_run_begin(struct stage_run *t)
{
	struct clone_args args = { .flags = t->join_pid ? 0 : CLONE_NEWPID,
				   .exit_signal = SIGCHLD };
	size_t len = husk__stage__stage_request__get_packed_size(&t->req);
	auto_free uint8_t *packed = xmalloc(len + 1);
	int request[2], status[2], start[2], out[2];
	int in = open("/dev/null", O_RDWR | O_CLOEXEC);
	int master = -1;
	ssize_t n_marks;
	char first;
	pid_t pid;

	len = husk__stage__stage_request__pack(&t->req, packed);
	assert_true(pipe2(request, O_CLOEXEC) == 0 &&
		    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, status) == 0 &&
		    pipe2(start, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC) == 0 && in >= 0);
	assert_true(len < 60000); /* must fit the pipe: nobody reads yet */
	enter_pid_namespace(t->join_pid);
	pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	if (pid != 0)
		enter_pid_namespace(t->join_pid ? getpid() : 0);
	assert_true(pid >= 0);
	if (pid == 0)
		become_stage(t,
			     (const int[]){ in, out[1], out[1], request[0], status[1], start[0] });
	(void)close(in);
	(void)close(out[1]);
	(void)close(request[0]);
	(void)close(status[1]);
	(void)close(start[0]);
	assert_int_equal(write_all(request[1], packed, len), 0);
	(void)close(request[1]);

	ends.status = status[0];
	ends.out = out[0];
	while ((n_marks = read_mark(status[0], &first, &master)) == 1) {
		if (first == STAGE_WARNING) {
			read_warning(t, status[0]);
			continue;
		}
		if (first != STAGE_TERMINAL)
			break;
		assert_true(master >= 0 && fcntl(master, F_SETFL, O_RDWR) == 0);
		(void)close(ends.out);
		ends.out = master;
	}
	if (n_marks == 1) {
		t->ready = first == STAGE_READY;
		if (!t->ready) {
			char *rest = NULL;
			struct err e = ERR_INIT;
			auto_buf struct buf all = BUF_INIT;
			size_t n;

			assert_int_equal(fd_read_all(status[0], 65536, "status", &rest, &n, &e), 0);
			buf_add(&all, &first, 1);
			buf_add(&all, rest, n);
			read_error(t, all.data, all.len);
			free(rest);
		}
	}
	if (t->ready && !t->hold)
		assert_int_equal(write_all(start[1], "", 1), 0);
	(void)close(start[1]);
	return pid;
}

void stage_run_end(struct stage_run *t, int pid)
{
	struct err e = ERR_INIT;
	char *rest = NULL;
	size_t n;
	int status;

	t->out = read_output(ends.out);
	assert_int_equal(fd_read_all(ends.status, 65536, "status", &rest, &n, &e), 0);
	if (n > 0)
		read_error(t, rest, n);
	free(rest);
	(void)close(ends.out);
	(void)close(ends.status);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	t->code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void stage_run_reap(int pid)
{
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

void stage_run_go(struct stage_run *t)
{
	(void)alarm(600); /* a deadline on everything: a stage that hangs ends the test */
	stage_run_end(t, stage_run_begin(t));
	(void)alarm(0);
}
