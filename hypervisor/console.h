/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_HYPERVISOR_CONSOLE_H
#define HUSK_HYPERVISOR_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/mem.h"

/*
 * The last lines that somebody who writes without being asked has written: the guest on its
 * console, the VMM and virtiofsd on standard error. Bytes in, lines out; no I/O.
 *
 * The writer is not trusted. A line ends at a newline, a carriage return, or when it is
 * CONSOLE_LINE_MAX bytes long; escape sequences of terminals and other control bytes are dropped, as
 * is whatever is not UTF-8; empty lines are not kept. At most CONSOLE_ROOM bytes of lines are kept,
 * the oldest go first.
 */

#define CONSOLE_LINE_MAX 512u          /* bytes, NUL not included */
#define CONSOLE_ROOM     (16u * 1024u) /* bytes of lines and their NULs */

struct console {
	char line[CONSOLE_LINE_MAX + 1]; /* the one being written */
	size_t line_len;
	unsigned escape; /* enum in console.c: inside an escape sequence? */

	struct buf ring; /* finished lines, each with its NUL */

	/* Each finished line, if not NULL; it lives until the call returns. */
	void (*on_line)(const char *line, void *arg);
	void *arg;
};

#define CONSOLE_INIT ((struct console){ .line_len = 0 })

void console_feed(struct console *c, const void *bytes, size_t len);
void console_done(struct console *c);

/*
 * As many of the last lines as fit into `max` bytes, oldest first, joined by " | ", appended to
 * `out`; the unfinished one counts. Nothing if nothing was written. Where a Linux kernel panicked
 * the line with its reason is the last.
 */
void console_tail(const struct console *c, size_t max, struct buf *out);

#endif
