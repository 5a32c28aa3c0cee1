/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_TESTS_RPC_FIXTURE_H
#define HUSK_TESTS_RPC_FIXTURE_H

#include "common/rpc/server.h"

/*
 * A service to talk to: some methods of grpc.AgentService with simple answers.
 *
 *   WriteStdin        len = size of data
 *   ReadStdout        len bytes, byte i being i % 251
 *   ReadStderr        len bytes out of fixture.pipe
 *   SignalProcess     fails with the error code `signal` and the text container_id
 *   GetOOMEvent       an answer with a string that is not UTF-8
 *   WaitProcess       waits for fixture_release(); ends with its peer
 *   RemoveContainer   takes `timeout` milliseconds; finishes without its peer
 *   PauseContainer    succeeds with an empty message
 *   ResumeContainer   waits for the deadline of the call
 *   TtyWinResize      waits until fixture.turn is `row`, and counts it down
 */
extern const struct rpc_service *const fixture_services[1];

struct fixture {
	unsigned waiting, cancelled, removed;
	bool released;
	struct cond release;
	unsigned turn;
	struct cond next; /* turn has changed */
	int pipe;         /* what ReadStderr answers from */
	char ns[300];     /* of the last PauseContainer */
};
extern struct fixture fixture;

void fixture_reset(void);
void fixture_release(void);

/* Two connected stream sockets; the first one is served by a fiber of `group`. */
struct io *fixture_serve(struct fiber_group *group);
void fixture_socketpair(struct io *ret[static 2]);

#endif
