/* SPDX-License-Identifier: Apache-2.0 */
/* Linux.CgroupsPath in its two spellings; pure. */
#include <string.h>

#include "agent/cgroup/cgroup_private.h"
#include "common/base/path.h"

/* "slice:prefix:name", as for the systemd driver, which the guest does not have. */
static char *from_systemd(const char *text)
{
	auto_free char *copy = xstrdup(text);
	char *prefix = strchr(copy, ':');
	char *name = prefix ? strchr(prefix + 1, ':') : NULL;

	if (!name || strchr(name + 1, ':') || strchr(text, '/'))
		return NULL;
	*prefix++ = '\0';
	*name++ = '\0';
	return xasprintf("/%s%s%s%s%s.scope", copy[0] ? copy : "system.slice", "/", prefix,
			 prefix[0] ? "-" : "", name);
}

char *cgroup_path_parse(const char *cgroups_path, const char *container_id, struct err *e)
{
	auto_free char *path = from_systemd(cgroups_path);

	if (!path)
		path = xasprintf("/%s", cgroups_path[0] ? cgroups_path + strspn(cgroups_path, "/")
							: container_id);
	if (!path_is_clean(path) || path[1] == '\0') {
		err_set(e, ERR_INVALID, "'%s' is no path of a cgroup", cgroups_path);
		return NULL;
	}
	return take_ptr(path);
}
