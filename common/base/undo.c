/* SPDX-License-Identifier: Apache-2.0 */
/* The undo stack: a start that fails runs it, a start that succeeds hands it on; see undo.h. */
#include "common/base/undo.h"

#include <string.h>

#include "common/base/log.h"
#include "common/base/mem.h"

void undo_push(struct undo *u, const char *what, void (*fn)(void *arg), void *arg)
{
	if (u->n == u->room) {
		u->room = u->room ? u->room * 2 : 8;
		u->entry = xrealloc(u->entry, u->room * sizeof(u->entry[0]));
	}
	u->entry[u->n++] = (struct undo_entry){ .what = what, .fn = fn, .arg = arg };
}

bool undo_drop(struct undo *u, void (*fn)(void *arg), const void *arg)
{
	for (size_t i = u->n; i-- > 0;) {
		if (u->entry[i].fn != fn || u->entry[i].arg != arg)
			continue;
		memmove(&u->entry[i], &u->entry[i + 1], (u->n - i - 1) * sizeof(u->entry[0]));
		u->n--;
		return true;
	}
	return false;
}

void undo_run(struct undo *u)
{
	/* An entry may push again (a helper of its own): go by u->n, not by a copy of it. */
	while (u->n > 0) {
		struct undo_entry e = u->entry[--u->n];

		log_debug("undo: %s", e.what);
		e.fn(e.arg);
	}
	free(u->entry);
	*u = UNDO_INIT;
}

void undo_forget(struct undo *u)
{
	free(u->entry);
	*u = UNDO_INIT;
}

void undo_move(struct undo *to, struct undo *from)
{
	for (size_t i = 0; i < from->n; i++)
		undo_push(to, from->entry[i].what, from->entry[i].fn, from->entry[i].arg);
	free(from->entry);
	*from = UNDO_INIT;
}
