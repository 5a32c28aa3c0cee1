/* SPDX-License-Identifier: Apache-2.0 */
/* Ending a sandbox. */
#include <stdlib.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "shim/sandbox/state.h"

#define DESTROY_MS 1000 /* for the guest to end its containers itself; then the VM is ended */

static void ask_guest_to_end(struct sandbox *s)
{
	struct err e = ERR_INIT;

	if (s->dead || !s->agent)
		return;
	if (agent_destroy_sandbox(s->agent, deadline_in_ms(DESTROY_MS), &e) < 0)
		log_debug("stop sandbox: %s", e.text);
}

void sandbox_enter(struct sandbox *s)
{
	s->waiting++;
}

void sandbox_leave(struct sandbox *s)
{
	s->waiting--;
	cond_wake_all(&s->changed);
}

static void wait_for_other_stop(struct sandbox *s)
{
	sandbox_enter(s);
	/* A caller that is cancelled must wait all the same: it may free the sandbox next. */
	while (s->phase != SANDBOX_STOPPED)
		(void)cond_wait_uncancellable(&s->changed, DEADLINE_NEVER);
	sandbox_leave(s);
}

void sandbox_stop(struct sandbox *s)
{
	struct err why = ERR_INIT;
	int64_t began = clock_now_ms();

	if (s->phase != SANDBOX_RUNNING) {
		wait_for_other_stop(s);
		return;
	}
	s->phase = SANDBOX_STOPPING;
	ask_guest_to_end(s);
	err_set(&why, ERR_CANCELLED, "the sandbox was stopped");
	sandbox_set_dead(s, &why);
	undo_run(&s->teardown);
	s->phase = SANDBOX_STOPPED;
	cond_wake_all(&s->changed);
	log_debug("sandbox stopped in %lld ms", (long long)(clock_now_ms() - began));
}

void sandbox_dispose(struct sandbox *s)
{
	agent_free(s->agent);
	strv_free(s->sysctls);
	free(s->resources.cpus);
	free(s->resources.mems);
	share_done(&s->share);
	volume_copies_done(&s->copies);
	projections_done(&s->projections);
	free(s->ns);
	free(s->id);
	free(s);
}

int sandbox_wait_left(struct sandbox *s, struct deadline d, struct err *e)
{
	while (s->waiting > 0)
		if (cond_wait(&s->changed, d, e) < 0)
			return err_wrap(e,
					"wait for %u calls in it, %u of which look at a "
					"container's files",
					s->waiting, s->bringing);
	return 0;
}

void sandbox_free(struct sandbox *s)
{
	if (!s)
		return;
	sandbox_stop(s);
	while (s->waiting > 0)
		(void)cond_wait_uncancellable(&s->changed, DEADLINE_NEVER);
	sandbox_dispose(s);
}
