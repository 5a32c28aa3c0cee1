/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of passwd(5) and group(5); pure. */
#include "agent/process/passwd.h"

#include <stdint.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/num.h"

#define GROUPS_MAX 65536 /* NGROUPS_MAX of the kernel */

enum {
	NAME,
	PASSWORD,
	ID,
	GID_OR_MEMBERS, /* passwd: gid; group: the list of members */
	COMMENT,
	HOME,
	FIELDS_MAX,
};

/* Cuts the line apart in place and returns how many fields there are, at most FIELDS_MAX. */
static size_t split(char *line, char *field[static FIELDS_MAX])
{
	size_t n = 0;

	while (n < FIELDS_MAX) {
		field[n++] = line;
		line += strcspn(line, ":");
		if (*line == '\0')
			break;
		*line++ = '\0';
	}
	return n;
}

bool passwd_find_name(const char *passwd, const char *name, uid_t *ret_uid, gid_t *ret_gid)
{
	auto_free char *copy = xstrdup(passwd);
	char *save = NULL;

	for (char *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *field[FIELDS_MAX];
		uint32_t uid, gid;

		if (split(line, field) > GID_OR_MEMBERS && strcmp(field[NAME], name) == 0 &&
		    num_u32(field[ID], 10, &uid) && num_u32(field[GID_OR_MEMBERS], 10, &gid)) {
			*ret_uid = uid;
			*ret_gid = gid;
			return true;
		}
	}
	return false;
}

char *passwd_find_home(const char *passwd, uid_t uid)
{
	auto_free char *copy = xstrdup(passwd);
	char *save = NULL;

	for (char *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *field[FIELDS_MAX];
		uint32_t id;

		if (split(line, field) > HOME && num_u32(field[ID], 10, &id) && id == uid)
			return field[HOME][0] ? xstrdup(field[HOME]) : NULL;
	}
	return NULL;
}

static bool is_member(char *list, const char *name)
{
	char *save = NULL;

	for (char *m = strtok_r(list, ",", &save); m; m = strtok_r(NULL, ",", &save))
		if (strcmp(m, name) == 0)
			return true;
	return false;
}

size_t group_find_member(const char *group, const char *name, gid_t **ret)
{
	auto_free char *copy = xstrdup(group);
	char *save = NULL;
	gid_t *found = NULL;
	size_t n = 0;

	for (char *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *field[FIELDS_MAX];
		uint32_t gid;

		if (n == GROUPS_MAX || split(line, field) <= GID_OR_MEMBERS ||
		    !num_u32(field[ID], 10, &gid) || !is_member(field[GID_OR_MEMBERS], name))
			continue;
		found = xrealloc(found, (n + 1) * sizeof(*found));
		found[n++] = gid;
	}
	*ret = found;
	return n;
}
