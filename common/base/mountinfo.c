/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of /proc/PID/mountinfo; see mountinfo.h. */
#include "common/base/mountinfo.h"

#include <fcntl.h>
#include <string.h>

#include "common/base/fd.h"
#include "common/base/num.h"

#define MOUNTINFO_MAX (64u << 20) /* bytes; a node with thousands of pods has a few MiB of it */

enum field {
	ID,
	PARENT,
	DEVICE,
	ROOT,
	POINT,
	FIELDS
};

/* Never longer than what it was: in place. */
static void unescape(char *s)
{
	char *to = s;

	while (*s) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' &&
		    s[3] >= '0' && s[3] <= '7') {
			*to++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
			s += 4;
		} else {
			*to++ = *s++;
		}
	}
	*to = '\0';
}

/* Behind " - ", after any number of optional fields: the type, the source, the options. */
static void parse_file_system(char *rest, struct mountinfo_line *ret)
{
	char *dash = rest ? strstr(rest, " - ") : NULL;
	char *type, *source;

	ret->type = ret->super = "";
	if (!dash)
		return;
	rest = dash + 3;
	type = strsep(&rest, " ");
	source = strsep(&rest, " ");
	ret->type = type;
	if (source && rest)
		ret->super = rest;
}

static bool parse(char *line, struct mountinfo_line *ret)
{
	char *field[FIELDS];

	for (int i = 0; i < FIELDS; i++)
		if (!(field[i] = strsep(&line, " ")))
			return false;
	unescape(field[ROOT]);
	unescape(field[POINT]);
	ret->root = field[ROOT];
	ret->point = field[POINT];
	parse_file_system(line, ret);
	return num_u64(field[ID], 10, &ret->id) && num_u64(field[PARENT], 10, &ret->parent);
}

int mountinfo_read(char **ret, struct err *e)
{
	return file_read(AT_FDCWD, "/proc/thread-self/mountinfo", MOUNTINFO_MAX, ret, NULL, e);
}

bool mountinfo_next(char **text, struct mountinfo_line *ret)
{
	while (*text && **text)
		if (parse(strsep(text, "\n"), ret))
			return true;
	return false;
}
