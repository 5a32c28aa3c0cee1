/* SPDX-License-Identifier: Apache-2.0 */
/* Lines with a limit, byte by byte; see line.h. */
#include "common/net/line.h"

void line_restart(struct line *l)
{
	l->len = 0;
}

enum line_result line_add(struct line *l, char c)
{
	if (l->len > HANDSHAKE_LINE_MAX) {
		if (c != '\n')
			return LINE_TOO_LONG;
		line_restart(l);
		return LINE_MORE;
	}
	if (c == '\n') {
		l->text[l->len] = '\0';
		return LINE_DONE;
	}
	if (l->len == HANDSHAKE_LINE_MAX) {
		l->len++; /* remembered until the newline */
		return LINE_TOO_LONG;
	}
	l->text[l->len++] = c;
	return LINE_MORE;
}
