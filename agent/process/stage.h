/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_AGENT_STAGE_H
#define HUSK_AGENT_STAGE_H

/*
 * The child of the agent that becomes a container's process: the agent's own binary, executed again
 * as `husk-agent stage`, single-threaded, working off a table of steps. The first step that fails is
 * reported by its name.
 *
 * Descriptors it is started with:
 */
enum stage_fd {
	STAGE_FD_REQUEST = 3, /* read to its end: a packed Husk__Stage__StageRequest */
	STAGE_FD_STATUS = 4,  /* a stream socket; one of the bytes below at a time */
	STAGE_FD_START =
		5, /* after PRESTART and READY: a byte to go on; end of file: exit without running */
	STAGE_FD_FIRST_NS =
		6, /* open namespaces to join, as StageRequest.namespaces numbers them */
};

/*
 * STAGE_TERMINAL: comes with the master of the process's terminal (SCM_RIGHTS), if it wants one, before
 * STAGE_READY: all is done but the last steps (start hooks, seccomp, exec). After the start byte the
 * status socket either closes by itself (exec succeeded) or carries STAGE_FAILED.
 * STAGE_PRESTART: only with prestart hooks: run them now, mounts are made and the root is not entered.
 * STAGE_WARNING: before READY, any number: behind it the length, two bytes, low first, and a text.
 * STAGE_FAILED: behind it, up to the end, a packed StageError.
 */
#define STAGE_TERMINAL 'T'
#define STAGE_PRESTART 'P'
#define STAGE_READY    'R'
#define STAGE_WARNING  'W'
#define STAGE_FAILED   'E'

#define STAGE_WARNING_MAX 1024 /* bytes of the text */

/* main() of `husk-agent stage`. Does not return on success; the exit code on failure. */
int stage_main(void);

#endif
