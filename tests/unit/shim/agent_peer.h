/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_TESTS_AGENT_PEER_H
#define HUSK_TESTS_AGENT_PEER_H

#include "agent.pb-c.h"
#include "common/rpc/server.h"
#include "shim/agent/agent.h"

/*
 * The other end of the agent protocol, scripted: a ttrpc server over a socketpair whose process
 * writes a known pattern and checks that its input is that pattern. All in the loop of the test.
 */
struct peer_stream {
	uint64_t total, sent; /* bytes of the pattern to answer reads with */
	bool hold;            /* at the end: answer no end of stream until it is false */
};

struct peer {
	struct peer_stream out, err;
	uint64_t reads; /* answered or not */
	bool reorder;   /* answers overtake each other */
	bool ordered;   /* says so in GetGuestDetails */
	uint32_t most;  /* bytes in one answer; 0: what was asked for */

	uint64_t got; /* bytes of input, each checked */
	bool got_wrong;
	unsigned closes; /* CloseStdin, and how much had come by then */
	uint64_t got_at_close;

	struct cond changed;
	struct fiber_group serving;
	int fd;
};

/* Byte i of the pattern. */
uint8_t peer_pattern(uint64_t i);

/* Start serving; the agent's side of the connection, for agent_free(). */
struct agent *peer_start(struct peer *p);
/* After agent_free(): until the server has ended. */
void peer_wait(struct peer *p);

#endif
