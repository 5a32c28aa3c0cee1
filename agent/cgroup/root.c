/* SPDX-License-Identifier: Apache-2.0 */
/* Where the unified cgroup hierarchy is mounted, from proc_pid_mountinfo(5). */
#include "agent/cgroup/root.h"

#include <fcntl.h>
#include <string.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/mountinfo.h"

char *cgroup_root_parse(const char *mountinfo)
{
	auto_free char *copy = xstrdup(mountinfo);
	char *save = NULL;

	for (char *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		/* Behind " - ", after any number of optional fields, stands the type. */
		const char *type = strstr(line, " - ");
		char *field = line;

		if (!type || strncmp(type + 3, "cgroup2 ", 8) != 0)
			continue;
		for (int i = 0; i < 4 && field; i++) {
			field = strchr(field, ' ');
			if (field)
				field++;
		}
		if (!field)
			continue;
		field[strcspn(field, " ")] = '\0';
		return mountinfo_unescape(field);
	}
	return NULL;
}

int cgroup_mountinfo(char **ret, struct err *e)
{
	return file_read(AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_MAX, ret, NULL, e);
}

int cgroup_root_find(char **ret, struct err *e)
{
	auto_free char *text = NULL;
	char *root;

	if (cgroup_mountinfo(&text, e) < 0)
		return -1;
	root = cgroup_root_parse(text);
	if (!root)
		return err_set(e, ERR_UNSUPPORTED, "no cgroup2 file system is mounted");
	*ret = root;
	return 0;
}
