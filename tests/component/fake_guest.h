/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_TESTS_FAKE_GUEST_H
#define HUSK_TESTS_FAKE_GUEST_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Stands in for shim/sandbox, shim/agent and shim/io behind the task service: a guest that does what
 * the test says and notes what it was asked. There is one, as there is one sandbox in a shim.
 *
 * Each thing that is acquired (streams, sandbox, container) is counted; the n-th can be refused.
 */
#define FAKE_VMM_PID 4242

struct fake_guest {
	/* set by the test */
	int fail_at;    /* 1-based: the acquisition that is refused; 0: none */
	int boot_ms;    /* how long sandbox_start() takes */
	int exec_ms;    /* how long agent_exec_process() takes, whatever ends meanwhile */
	bool exec_held; /* it takes until fake_exec_goes_on() */
	/* So many of the next Pauses and Resumes take until fake_freezer_goes_on(). */
	unsigned freezes_held;
	bool not_paused; /* what a Resume is answered with */
	bool not_left;   /* somebody is in a call of a sandbox that has ended */
	/* The poststop hooks of this container take until fake_hook_ends(). */
	const char *hook_hangs;
	bool oom_flood;   /* the guest says at all times that a container was out of memory */
	bool refuse_exec; /* agent_exec_process() finds no such program */
	bool hang;        /* no call to the agent is answered before its deadline */
	bool host_oom;    /* what fake_die() is the work of */
	int exit_code;    /* that fake_die() gives the VMM */
	bool stall;       /* stdio_drain() waits for its whole deadline */

	/* noted by the fake */
	int asked, held;
	unsigned oom_events;
	bool booting, alive; /* sandbox_start() was called; it has succeeded and nothing ended it */
	int calls;           /* to the agent */
	int64_t call_ms;     /* the time that the last one had */
	int64_t drain_ms;    /* the time that the first stdio_drain() had */
	int streams_open, closed_stdin, drained;
	bool frozen;
	unsigned rows, columns;
	unsigned last_signal;
	char last_signal_exec[80];
	char log[4096]; /* "start c1;exec c1 e1;…" */
};
extern struct fake_guest fake;

/* Forget everything; nothing may be held. */
void fake_reset(void);

/* The process ends by itself. exec_id "": init. */
void fake_exit(const char *id, const char *exec_id, int status);

void fake_exec_goes_on(void);
void fake_freezer_goes_on(void);
void fake_hook_ends(void);
void fake_leave(void); /* no longer not_left */

/* The VMM is killed. */
void fake_die(void);

/* The connection to the agent ends, the VM lives. */
void fake_lose_agent(void);

/* The OOM killer hits a container. */
void fake_oom(const char *id);

#endif
