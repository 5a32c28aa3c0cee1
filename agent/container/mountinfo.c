/* SPDX-License-Identifier: Apache-2.0 */
/* What is mounted directly in the guest's root; see mountinfo.h. */
#include "agent/container/mountinfo.h"

#include <string.h>

#include "common/base/mem.h"
#include "common/base/mountinfo.h"

/* The last mount at "/" is the one on top. */
static uint64_t find_root(const char *text)
{
	auto_free char *copy = xstrdup(text);
	struct mountinfo_line line;
	uint64_t root = 0;
	char *rest = copy;

	while (mountinfo_next(&rest, &line))
		if (strcmp(line.point, "/") == 0)
			root = line.id;
	return root;
}

char **mountinfo_below_root(const char *text)
{
	auto_free char *copy = xstrdup(text);
	uint64_t root = find_root(text);
	struct mountinfo_line line;
	char **found = NULL;
	char *rest = copy;

	while (mountinfo_next(&rest, &line))
		if (line.parent == root && strcmp(line.point, "/") != 0)
			strv_add(&found, line.point);
	return found;
}

int mountinfo_directly_below_root(char ***ret, struct err *e)
{
	auto_free char *text = NULL;

	if (mountinfo_read(&text, e) < 0)
		return -1;
	*ret = mountinfo_below_root(text);
	return 0;
}
