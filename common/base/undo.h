/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_BASE_UNDO_H
#define HUSK_BASE_UNDO_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/cleanup.h"

/*
 * A stack of things to take back. Acquire something, push its opposite at once, go on.
 *
 *   - a local `auto_undo struct undo` rolls everything back on any early return;
 *   - undo_move() hands the same entries to the long-lived object, so that stopping it is the same
 *     code as failing half-way through starting it.
 */
struct undo_entry {
	const char *what; /* a literal, for the log */
	void (*fn)(void *arg);
	void *arg;
};

struct undo {
	size_t n, room;
	struct undo_entry *entry;
};

#define UNDO_INIT ((struct undo){ .n = 0 })

/* `fn` must cope with the peer being gone and cannot fail: there is nobody left to tell. */
void undo_push(struct undo *u, const char *what, void (*fn)(void *arg), void *arg);

/* The thing went away by other means (a disk was unplugged): forget its entry, do not run it. */
bool undo_drop(struct undo *u, void (*fn)(void *arg), const void *arg);

/* Newest first, every entry, even if an earlier one had trouble. Leaves the stack empty. */
void undo_run(struct undo *u);

/* Every entry, none of them run: what they would give back went with its owner. */
void undo_forget(struct undo *u);

/* Append from's entries to *to and empty `from`. */
void undo_move(struct undo *to, struct undo *from);

#define auto_undo CLEANUP(undo_run)

#endif
