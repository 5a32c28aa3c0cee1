/* SPDX-License-Identifier: Apache-2.0 */
/* A share for each test; see storage_case.h. */
#include "tests/unit/shim/storage_case.h"

#include "tests/lib/test.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/path.h"

struct storage_case t;

char *in_dir(const char *name)
{
	return path_join(t.dir, name);
}

void make_dir(const char *name)
{
	auto_free char *path = in_dir(name);
	struct err e = ERR_INIT;

	assert_ok(path_mkdirs(path, 0755, &e), &e);
}

void make_file(const char *name, const char *text)
{
	auto_free char *path = in_dir(name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write_all(fd, text, strlen(text)), 0);
	(void)close(fd);
}

int group_set_up(void **state)
{
	(void)state;
	/* Private first: nothing of this may reach the machine's own namespace. */
	t.skip = geteuid() != 0 || unshare(CLONE_NEWNS) < 0 ||
		 mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0;
	return 0;
}

int set_up(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	if (t.skip)
		return 0;
	(void)snprintf(t.dir, sizeof(t.dir), "/tmp/husk-storage-XXXXXX");
	if (!mkdtemp(t.dir) || mount("test", t.dir, "tmpfs", 0, NULL) < 0)
		return -1;
	make_dir("sandbox");
	t.share = SHARE_INIT;
	{
		auto_free char *dir = in_dir("sandbox");

		assert_ok(share_start(&t.share, dir, &t.undo, &e), &e);
	}
	return 0;
}

unsigned count_mounts(const char *below)
{
	auto_free char *text = NULL;
	struct err e = ERR_INIT;
	unsigned n = 0;

	assert_ok(file_read(AT_FDCWD, "/proc/self/mountinfo", 1 << 24, &text, NULL, &e), &e);
	for (const char *at = text; (at = strstr(at, below)); at++)
		n++;
	return n;
}

int tear_down(void **state)
{
	struct stat st;

	(void)state;
	if (t.skip)
		return 0;
	undo_run(&t.undo);
	share_done(&t.share);
	/* What undo left shows here: a mount, or a name in the sandbox's directory. */
	{
		auto_free char *dir = in_dir("sandbox");

		assert_int_equal(count_mounts(dir), 0);
		assert_int_equal(stat(dir, &st), 0);
		assert_int_equal(rmdir(dir), 0);
	}
	return umount2(t.dir, MNT_DETACH) < 0 || rmdir(t.dir) < 0 ? -1 : 0;
}

pid_t start_exporter(const char *path, const char *text, bool try_write)
{
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	(void)alarm(PATIENCE_MS / 1000);
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0 ||
	    mount(t.share.exported, t.share.exported, NULL, MS_BIND | MS_REC, NULL) < 0 ||
	    chdir(t.share.exported) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 ||
	    umount2(".", MNT_DETACH) < 0)
		_exit(99);
	(void)raise(SIGSTOP);
	{
		struct err e = ERR_INIT;
		char *have = NULL;

		if (file_read(AT_FDCWD, path, 4096, &have, NULL, &e) < 0 || strcmp(have, text) != 0)
			_exit(1);
	}
	_exit(try_write && open(path, O_WRONLY | O_CLOEXEC) < 0 ? 2 : 0);
}

void wait_until_stopped(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	assert_true(WIFSTOPPED(status));
}

int result_of(pid_t pid)
{
	int status;

	(void)kill(pid, SIGCONT);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
