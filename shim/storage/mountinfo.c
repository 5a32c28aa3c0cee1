/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of /proc/…/mountinfo; see mountinfo.h. */
#include "shim/storage/mountinfo.h"

#include <string.h>

#include "common/base/num.h"

enum field {
	ID,
	PARENT,
	DEVICE,
	ROOT,
	POINT,
	FIELDS
};

/* Spaces, tabs, newlines and backslashes are octal escapes; proc(5). */
static void unescape_octal(char *s)
{
	char *to = s;

	while (*s) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' &&
		    s[3] >= '0' && s[3] <= '7') {
			*to++ = (char)((s[1] - '0') * 64 + (s[2] - '0') * 8 + (s[3] - '0'));
			s += 4;
		} else {
			*to++ = *s++;
		}
	}
	*to = '\0';
}

static bool parse(char *line, struct mountinfo_line *ret)
{
	char *field[FIELDS];

	for (int i = 0; i < FIELDS; i++)
		if (!(field[i] = strsep(&line, " ")))
			return false;
	unescape_octal(field[ROOT]);
	unescape_octal(field[POINT]);
	ret->root = field[ROOT];
	ret->point = field[POINT];
	return num_u64(field[ID], 10, &ret->id);
}

bool mountinfo_next(char **text, struct mountinfo_line *ret)
{
	while (*text && **text)
		if (parse(strsep(text, "\n"), ret))
			return true;
	return false;
}
