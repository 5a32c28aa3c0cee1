/* SPDX-License-Identifier: Apache-2.0 */
/* One setting of a cgroup after the other; see setting.h. What a missing file means is in cgroup.h. */
#include "agent/cgroup/setting.h"

#include <errno.h>
#include <string.h>

#include "agent/cgroup/v1.h"
#include "common/base/fd.h"

void setting_skip(struct settings *s, const char *what)
{
	buf_addf(&s->skipped, "%s%s", s->skipped.len ? ", " : "", what);
}

static int directory_of(const struct cgroup *cg, const char *file)
{
	auto_free char *controller = xstrndup(file, strcspn(file, "."));

	return cg->v1 ? v1_dir(cg, controller) : cg->fd;
}

int setting_write(struct settings *s, enum importance importance, const char *file,
		  const char *value, struct err *e)
{
	int dir = directory_of(s->cg, file);
	struct err why = ERR_INIT;

	if (dir >= 0 && file_write(dir, file, value, strlen(value), &why) == 0)
		return 0;
	if (importance == PREFERENCE) {
		setting_skip(s, file);
		return 0;
	}
	if (dir < 0 || why.sys == ENOENT)
		return err_set(e, ERR_UNSUPPORTED,
			       "set %s to %s: the guest's kernel has no such controller", file,
			       value);
	*e = why;
	return err_wrap(e, "cgroup '%s'", s->cg->path);
}

bool cgroup_is_page_size(const char *size)
{
	size_t digits = strspn(size, "0123456789");

	return digits > 0 && digits <= 6 &&
	       (strcmp(size + digits, "KB") == 0 || strcmp(size + digits, "MB") == 0 ||
		strcmp(size + digits, "GB") == 0);
}

int settings_huge_pages(struct settings *s, Grpc__LinuxHugepageLimit *const *list, size_t n,
			const char *file, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		const char *size = list[i]->pagesize;
		auto_free char *path = NULL;
		auto_free char *value = NULL;

		if (!cgroup_is_page_size(size))
			return err_set(e, ERR_INVALID, "'%.32s' is no size of huge pages", size);
		path = xasprintf("hugetlb.%s.%s", size, file);
		value = xasprintf("%llu", (unsigned long long)list[i]->limit);
		/* Kubernetes sends 0 for every size of the host; where there are none it holds. */
		if (setting_write(s, list[i]->limit ? LIMIT : PREFERENCE, path, value, e) < 0)
			return -1;
	}
	return 0;
}
