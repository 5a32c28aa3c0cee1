/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_NET_LINE_H
#define HUSK_NET_LINE_H

#include <stddef.h>

/*
 * A short line of text taken from a byte stream, byte by byte: both handshakes (hybrid vsock, serial
 * port) are made of such lines, and the bytes behind one may belong to somebody else already.
 */

#define HANDSHAKE_LINE_MAX 64u /* bytes without the newline */

struct line {
	char text[HANDSHAKE_LINE_MAX + 1];
	size_t len;
};

#define LINE_INIT ((struct line){ .len = 0 })

enum line_result {
	LINE_MORE,     /* not at its end yet */
	LINE_DONE,     /* text[0..len) is a line, NUL behind it; call line_restart() for the next */
	LINE_TOO_LONG, /* and so is every further byte, up to the newline that starts a new line */
};

enum line_result line_add(struct line *l, char c);
void line_restart(struct line *l);

#endif
