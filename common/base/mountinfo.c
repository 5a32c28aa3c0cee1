/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of /proc/PID/mountinfo; see mountinfo.h. */
#include "common/base/mountinfo.h"

#include <string.h>

#include "common/base/mem.h"
#include "common/base/num.h"

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

char *mountinfo_unescape(const char *escaped)
{
	char *plain = xstrdup(escaped);

	unescape(plain);
	return plain;
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
	return num_u64(field[ID], 10, &ret->id) && num_u64(field[PARENT], 10, &ret->parent);
}

bool mountinfo_next(char **text, struct mountinfo_line *ret)
{
	while (*text && **text)
		if (parse(strsep(text, "\n"), ret))
			return true;
	return false;
}
