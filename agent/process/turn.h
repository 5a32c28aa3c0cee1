/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_AGENT_TURN_H
#define HUSK_AGENT_TURN_H

#include "common/async/fiber.h"

/*
 * First come, first served: fibers that want the same thing get it one at a time, in the order in
 * which they asked. Requests on one stream are answered in that order.
 */
struct turn_place {
	struct turn_place *prev, *next;
};

struct turn {
	struct turn_place *first;
	struct cond moved;
};

/* `place` lives on the caller's stack until turn_end(). On failure it has left the queue. */
int turn_wait(struct turn *t, struct turn_place *place, struct deadline d, struct err *e)
	must_check;
void turn_end(struct turn *t, struct turn_place *place);

#endif
