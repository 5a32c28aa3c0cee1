/* SPDX-License-Identifier: Apache-2.0 */
/* Blocking calls on libuv's worker pool; see work.h. */
#include "common/async/work.h"

#include "common/async/loop.h"
#include "common/base/cleanup.h"

struct work {
	uv_work_t request;
	void (*fn)(void *arg);
	void *arg;
	bool done;
	struct cond finished;
};

static void on_worker(uv_work_t *request)
{
	struct work *w = container_of(request, struct work, request);

	w->fn(w->arg);
}

static void on_finished(uv_work_t *request, int status)
{
	struct work *w = container_of(request, struct work, request);

	(void)status;
	w->done = true;
	cond_wake_all(&w->finished);
}

void work_run(void (*fn)(void *arg), void *arg)
{
	/* On this stack: the fiber does not leave before the worker is done with it. */
	struct work w = { .fn = fn, .arg = arg };

	if (!fiber_running() || uv_queue_work(loop_get(), &w.request, on_worker, on_finished) < 0) {
		fn(arg);
		return;
	}
	while (!w.done)
		(void)cond_wait_uncancellable(&w.finished, DEADLINE_NEVER);
}
