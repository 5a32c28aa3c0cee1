/* SPDX-License-Identifier: Apache-2.0 */
/* Linux.MaskedPaths and Linux.ReadonlyPaths. What is not there needs no protection. */
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "agent/container/detached.h"
#include "agent/process/stage_step.h"
#include "common/base/mem.h"
#include "common/base/path.h"

#define PATHS_MAX 4096

/* 1: opened; 0: nothing there. */
static int open_if_there(const struct stage *s, const char *path, int *ret, struct err *e)
{
	struct err why = ERR_INIT;
	int fd = path_open_in_root(s->rootfd, path, O_PATH, 0, &why);

	if (fd >= 0) {
		*ret = fd;
		return 1;
	}
	if (why.sys == ENOENT || why.sys == ENOTDIR)
		return 0;
	*e = why;
	return -1;
}

/* A file is covered by /dev/null, a directory by an empty read-only tmpfs. */
static int mask(const struct stage *s, const char *path, struct err *e)
{
	auto_free char *context = stage_mount_context(s);
	char *options[] = { context, NULL };
	const struct mount_attrs readonly = {
		.set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
		.fs = options,
	};
	auto_close int onto = -1;
	auto_close int cover = -1;
	struct stat st;
	int r = open_if_there(s, path, &onto, e);

	if (r <= 0)
		return r;
	if (fstat(onto, &st) < 0)
		return err_sys(e, errno, "stat");
	cover = S_ISDIR(st.st_mode) ? detached_new("tmpfs", "tmpfs", &readonly, e)
				    : detached_clone(AT_FDCWD, "/dev/null", false, e);
	if (cover < 0)
		return -1;
	return detached_attach(cover, onto, e);
}

int paths_mask(struct stage *s, struct err *e)
{
	const Grpc__Linux *l = s->linux_spec;

	if (l->n_maskedpaths > PATHS_MAX)
		return err_set(e, ERR_EXHAUSTED, "more than %d paths", PATHS_MAX);
	for (size_t i = 0; i < l->n_maskedpaths; i++)
		if (mask(s, l->maskedpaths[i], e) < 0)
			return err_wrap(e, "%s", l->maskedpaths[i]);
	return 0;
}

static int make_readonly(const struct stage *s, const char *path, struct err *e)
{
	auto_close int onto = -1;
	auto_close int copy = -1;
	int r = open_if_there(s, path, &onto, e);

	if (r <= 0)
		return r;
	copy = detached_clone(onto, "", true, e);
	if (copy < 0 || detached_set(copy, true, MOUNT_ATTR_RDONLY, 0, MS_PRIVATE, e) < 0)
		return -1;
	return detached_attach(copy, onto, e);
}

int paths_make_readonly(struct stage *s, struct err *e)
{
	const Grpc__Linux *l = s->linux_spec;

	if (l->n_readonlypaths > PATHS_MAX)
		return err_set(e, ERR_EXHAUSTED, "more than %d paths", PATHS_MAX);
	for (size_t i = 0; i < l->n_readonlypaths; i++)
		if (make_readonly(s, l->readonlypaths[i], e) < 0)
			return err_wrap(e, "%s", l->readonlypaths[i]);
	return 0;
}
