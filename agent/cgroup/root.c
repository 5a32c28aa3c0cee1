/* SPDX-License-Identifier: Apache-2.0 */
/* Where the unified cgroup hierarchy is mounted, from proc_pid_mountinfo(5). */
#include "agent/cgroup/root.h"

#include <string.h>

#include "common/base/mem.h"
#include "common/base/mountinfo.h"

char *cgroup_root_parse(const char *mountinfo)
{
	auto_free char *copy = xstrdup(mountinfo);
	struct mountinfo_line line;
	char *rest = copy;

	while (mountinfo_next(&rest, &line))
		if (strcmp(line.type, "cgroup2") == 0)
			return xstrdup(line.point);
	return NULL;
}

int cgroup_root_find(char **ret, struct err *e)
{
	auto_free char *text = NULL;
	char *root;

	if (mountinfo_read(&text, e) < 0)
		return -1;
	root = cgroup_root_parse(text);
	if (!root)
		return err_set(e, ERR_UNSUPPORTED, "no cgroup2 file system is mounted");
	*ret = root;
	return 0;
}
