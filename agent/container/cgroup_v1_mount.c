/* SPDX-License-Identifier: Apache-2.0 */
/* The cgroups of version 1 as a container sees them; see cgroup_v1_mount.h. */
#include "agent/container/cgroup_v1_mount.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/cgroup/root.h"
#include "agent/cgroup/v1.h"
#include "agent/container/detached.h"
#include "common/base/mountinfo.h"
#include "common/base/path.h"

static int read_mounts(struct cgroup_v1 *ret, struct err *e)
{
	auto_free char *text = NULL;
	auto_free char *unified = NULL;

	if (mountinfo_read(&text, e) < 0)
		return -1;
	unified = cgroup_root_parse(text);
	if (unified || !v1_parse_mounts(text, ret))
		return err_set(e, ERR_UNSUPPORTED, "no cgroups of version 1 are mounted");
	return 0;
}

bool cgroup_v1_wanted(void)
{
	struct err ignored = ERR_INIT;
	struct cgroup_v1 v;

	if (read_mounts(&v, &ignored) < 0)
		return false;
	v1_done(&v);
	return true;
}

int cgroup_v1_new(struct err *e)
{
	static const char *const options[] = { "mode=755", "size=64k", NULL };
	const struct mount_attrs attrs = {
		.set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
		.fs = (char **)(uintptr_t)options,
	};

	return detached_new("tmpfs", "cgroup", &attrs, e);
}

/* "cpu" and "cpuacct" lead to a hierarchy of both, "cpu,cpuacct". */
static int link_controllers(int tmpfs, const char *name, struct err *e)
{
	auto_free char *list = xstrdup(name);
	char *save = NULL;

	if (!strchr(name, ','))
		return 0;
	for (char *word = strtok_r(list, ",", &save); word; word = strtok_r(NULL, ",", &save))
		if (symlinkat(name, tmpfs, word) < 0 && errno != EEXIST)
			return err_sys(e, errno, "link '%s'", word);
	return 0;
}

static int fill_one(int tmpfs, const struct v1_hierarchy *h, const char *path,
		    const struct mount_attrs *attrs, struct err *e)
{
	const char *name = path_base(h->mount_point);
	auto_free char *source = path_join(h->mount_point, path);
	auto_close int tree = -1;
	auto_close int onto = -1;

	if (mkdirat(tmpfs, name, 0755) < 0 && errno != EEXIST)
		return err_sys(e, errno, "create '%s'", name);
	onto = openat(tmpfs, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (onto < 0)
		return err_sys(e, errno, "open '%s'", name);
	tree = detached_clone(AT_FDCWD, source, false, e);
	if (tree < 0 || detached_set(tree, false, attrs->set, attrs->clear, MS_PRIVATE, e) < 0 ||
	    detached_attach(tree, onto, e) < 0)
		return -1;
	return link_controllers(tmpfs, name, e);
}

int cgroup_v1_fill(int tmpfs, const char *path, const struct mount_attrs *attrs, struct err *e)
{
	struct cgroup_v1 v;
	int r = 0;

	if (read_mounts(&v, e) < 0)
		return -1;
	for (size_t i = 0; i < v.n && r == 0; i++)
		r = fill_one(tmpfs, &v.h[i], path, attrs, e);
	v1_done(&v);
	return r < 0 ? -1 : detached_set(tmpfs, false, MOUNT_ATTR_RDONLY, 0, 0, e);
}
