/* SPDX-License-Identifier: Apache-2.0 */
/* A queue of fibers; see turn.h. */
#include "agent/process/turn.h"

#include <utlist.h>

int turn_wait(struct turn *t, struct turn_place *place, struct deadline d, struct err *e)
{
	DL_APPEND(t->first, place);
	while (t->first != place) {
		if (cond_wait(&t->moved, d, e) < 0) {
			turn_end(t, place);
			return -1;
		}
	}
	return 0;
}

void turn_end(struct turn *t, struct turn_place *place)
{
	DL_DELETE(t->first, place);
	cond_wake_all(&t->moved);
}
