/* SPDX-License-Identifier: Apache-2.0 */
/* Linux.CgroupsPath in its two spellings; pure. */
#include <string.h>

#include "agent/cgroup/cgroup_private.h"
#include "common/base/mem.h"
#include "common/base/path.h"

/*
 * "a-b-c.slice" is below "a-b.slice", which is below "a.slice" (systemd.slice(5)); "-.slice" is the root.
 * NULL: no name of a slice.
 */
static char *slice_path(const char *slice)
{
	auto_buf struct buf path = BUF_INIT;
	const char *suffix = strstr(slice, ".slice");

	if (!suffix || suffix[strlen(".slice")] != '\0')
		return NULL;
	buf_addf(&path, "/");
	if (strcmp(slice, "-.slice") == 0)
		return take_ptr(path.data);
	for (const char *dash = slice;; dash++) {
		const char *end = strchr(dash, '-') ? strchr(dash, '-') : suffix;

		if (end == dash)
			return NULL; /* "-a", "a--b", "a-" */
		buf_addf(&path, "%.*s.slice/", (int)(end - slice), slice);
		if (end == suffix)
			return take_ptr(path.data);
		dash = end;
	}
}

/*
 * "slice:prefix:name", as for the systemd driver: the directory in which systemd would put the container.
 * Here it is made like any other, without asking systemd, which the guest may not even have.
 */
static char *from_systemd(const char *text, bool *ret_is)
{
	auto_free char *slice = xstrdup(text);
	auto_free char *dir = NULL;
	char *prefix = strchr(slice, ':');
	char *name = prefix ? strchr(prefix + 1, ':') : NULL;
	const char *end;

	*ret_is = name && !strchr(name + 1, ':') && !strchr(text, '/');
	if (!*ret_is)
		return NULL;
	*prefix++ = '\0';
	*name++ = '\0';
	dir = slice_path(slice[0] ? slice : "system.slice");
	if (!dir || !name[0])
		return NULL;
	end = strstr(name, ".slice");
	if (end && end[strlen(".slice")] == '\0')
		return xasprintf("%s%s", dir, name);
	return xasprintf("%s%s%s%s.scope", dir, prefix, prefix[0] ? "-" : "", name);
}

char *cgroup_path_parse(const char *cgroups_path, const char *container_id, struct err *e)
{
	bool is_systemd;
	auto_free char *path = from_systemd(cgroups_path, &is_systemd);

	if (is_systemd && !path) {
		err_set(e, ERR_INVALID, "'%s' names no slice, prefix and name", cgroups_path);
		return NULL;
	}
	if (!path)
		path = xasprintf("/%s", cgroups_path[0] ? cgroups_path + strspn(cgroups_path, "/")
							: container_id);
	if (!path_is_clean(path) || path[1] == '\0') {
		err_set(e, ERR_INVALID, "'%s' is no path of a cgroup", cgroups_path);
		return NULL;
	}
	return take_ptr(path);
}
