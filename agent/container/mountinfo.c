/* SPDX-License-Identifier: Apache-2.0 */
/* What is mounted directly in the guest's root, from proc_pid_mountinfo(5). */
#include "agent/container/mountinfo.h"

#include <fcntl.h>
#include <string.h>

#include "agent/cgroup/root.h"
#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/num.h"

#define MOUNTINFO_MAX (16u << 20)

struct entry {
	uint32_t id, parent;
	const char *point; /* escaped */
};

/* "36 35 98:0 / /mnt rw ..." cut apart in place. */
static int parse_line(char *line, struct entry *ret, struct err *e)
{
	char *save = NULL;
	const char *id = strtok_r(line, " ", &save);
	const char *parent = strtok_r(NULL, " ", &save);

	ret->point = NULL;
	for (int i = 0; i < 3; i++)
		ret->point = strtok_r(NULL, " ", &save);
	if (!id || !parent || !ret->point || !num_u32(id, 10, &ret->id) ||
	    !num_u32(parent, 10, &ret->parent))
		return err_set(e, ERR_INTERNAL, "a line of mountinfo cannot be read");
	return 0;
}

int mountinfo_parse_below_root(const char *text, char ***ret, struct err *e)
{
	auto_free char *copy = xstrdup(text);
	auto_strv char **found = NULL;
	uint32_t root = 0;

	/* The last mount at "/" is the one on top. */
	for (int pass = 0; pass < 2; pass++) {
		char *save = NULL;

		(void)memcpy(copy, text, strlen(text));
		for (char *line = strtok_r(copy, "\n", &save); line;
		     line = strtok_r(NULL, "\n", &save)) {
			struct entry m;

			if (parse_line(line, &m, e) < 0)
				return -1;
			if (pass == 0 && strcmp(m.point, "/") == 0)
				root = m.id;
			if (pass == 1 && m.parent == root && strcmp(m.point, "/") != 0) {
				auto_free char *point = mountinfo_unescape(m.point);

				strv_add(&found, point);
			}
		}
	}
	*ret = take_ptr(found);
	return 0;
}

int mountinfo_directly_below_root(char ***ret, struct err *e)
{
	auto_free char *text = NULL;

	if (file_read(AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_MAX, &text, NULL, e) < 0)
		return -1;
	return mountinfo_parse_below_root(text, ret, e);
}
