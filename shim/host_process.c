/* SPDX-License-Identifier: Apache-2.0 */
/* The server's place on the host; see host_process.h. */
#include "shim/host_process.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/num.h"
#include "common/base/path.h"
#include "shim/storage/host_mounts.h"

#define CGROUP_ROOT   "/sys/fs/cgroup"
#define OOM_SCORE_MAX 1000

/* linux/prctl.h of older kernels has neither (core-scheduling.rst). */
#ifndef PR_SCHED_CORE
#	define PR_SCHED_CORE        62
#	define PR_SCHED_CORE_CREATE 1
#endif
#define SCHED_CORE_PROCESS_GROUP 2 /* PIDTYPE_PGID */

int host_process_own_mounts(struct err *e)
{
	if (host_mounts_keep(e) < 0)
		return -1;
	if (unshare(CLONE_NEWNS) < 0)
		return err_sys(e, errno, "new mount namespace");
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return err_sys(e, errno, "make the mounts slaves of the host's");
	return 0;
}

int host_process_oom_score(struct err *e)
{
	auto_free char *text = NULL;
	int64_t score;

	if (file_read_line(AT_FDCWD, "/proc/self/oom_score_adj", &text, e) < 0)
		return -1;
	if (!num_i64(text, &score))
		return err_set(e, ERR_INTERNAL, "oom_score_adj is '%s'", text);
	if (score >= OOM_SCORE_MAX)
		return 0;
	return file_writef(AT_FDCWD, "/proc/self/oom_score_adj", e, "%lld", (long long)score + 1);
}

int host_process_subreaper(struct err *e)
{
	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
		return err_sys(e, errno, "become a subreaper");
	return 0;
}

int host_process_core_scheduling(struct err *e)
{
	const char *wanted = getenv("SCHED_CORE");

	if (!wanted || wanted[0] == '\0' || strcmp(wanted, "0") == 0)
		return 0;
	if (prctl(PR_SCHED_CORE, PR_SCHED_CORE_CREATE, 0, SCHED_CORE_PROCESS_GROUP, 0) < 0)
		return err_sys(e, errno, "core scheduling, which SCHED_CORE asks for");
	return 0;
}

static int join(const char *dir, const char *path, pid_t pid, struct err *e)
{
	auto_free char *cgroup = path_join(dir, path);
	auto_free char *procs = path_join(cgroup, "cgroup.procs");

	return file_writef(AT_FDCWD, procs, e, "%d", (int)pid);
}

static void dir_close(DIR **d)
{
	if (*d)
		(void)closedir(*d);
}

static int join_every_hierarchy(const char *path, pid_t pid, struct err *e)
{
	CLEANUP(dir_close) DIR *root = opendir(CGROUP_ROOT);
	const struct dirent *entry;
	unsigned joined = 0;

	if (!root)
		return err_sys(e, errno, "open '%s'", CGROUP_ROOT);
	while ((entry = readdir(root))) {
		auto_free char *dir = NULL, *cgroup = NULL;
		struct stat st;

		/* "cpu" and the like are symlinks to "cpu,cpuacct": once is enough. */
		if (entry->d_name[0] == '.' || entry->d_type == DT_LNK)
			continue;
		dir = path_join(CGROUP_ROOT, entry->d_name);
		cgroup = path_join(dir, path);
		if (stat(cgroup, &st) < 0 || !S_ISDIR(st.st_mode))
			continue;
		if (join(dir, path, pid, e) < 0)
			return -1;
		joined++;
	}
	if (joined == 0)
		return err_set(e, ERR_NOT_FOUND, "no hierarchy has it");
	return 0;
}

int host_process_join_cgroup(const char *path, pid_t pid, struct err *e)
{
	struct statfs fs;
	int result;

	if (!path_is_clean(path))
		return err_set(e, ERR_INVALID, "shim_cgroup '%.200s' is not an absolute path",
			       path);
	if (statfs(CGROUP_ROOT, &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC)
		result = join(CGROUP_ROOT, path, pid, e);
	else
		result = join_every_hierarchy(path, pid, e);
	return result < 0 ? err_wrap(e, "shim_cgroup '%s'", path) : 0;
}
