/* SPDX-License-Identifier: Apache-2.0 */
/* Volumes whose files the host keeps up to date; see projections.h. */
#include "agent/rpc/projections.h"

#include <fcntl.h>
#include <stdlib.h>

#include "agent/guest/projection.h"
#include "common/async/work.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/path.h"

#define PLACE "sandbox/projected" /* below the run directory */

/*
 * For those who are on their way through the old link, or have a few files to read: on a host they would
 * find nothing.
 */
#define LEFTOVER_MS 1000

struct leftover {
	char *root, *volume, *set;
	struct err e;
	int result;
};

static void remove_now(void *arg)
{
	struct leftover *l = arg;

	l->result = projection_remove_set(l->root, l->volume, l->set, &l->e);
}

static void remove_later(void *arg)
{
	struct leftover *l = arg;

	if (fiber_sleep_ms(LEFTOVER_MS, &l->e) == 0) {
		work_run(remove_now, l);
		if (l->result < 0)
			log_warn("old files of volume '%s' stay: %s", l->volume, l->e.text);
	}
	free(l->root);
	free(l->volume);
	free(l->set);
	free(l);
}

struct put_work {
	const char *root;
	const Husk__PutRequest *req;
	char *old;
	struct err *e;
	int result;
};

static void put_now(void *arg)
{
	struct put_work *w = arg;

	w->result = projection_put(w->root, w->req, &w->old, w->e);
}

static int on_put(const struct rpc_call *call, const void *req, void *resp, struct err *e)
{
	struct projections *p = call->self;
	auto_free char *root = path_join(p->run_dir, PLACE);
	struct put_work w = { .root = root, .req = req, .e = e };

	(void)resp;
	work_run(put_now, &w);
	if (w.old) {
		struct leftover *l = xnew(struct leftover);

		l->root = take_ptr(root);
		l->volume = xstrdup(w.req->volume);
		l->set = w.old;
		fiber_group_start(&p->leftovers, "old files of a volume", remove_later, l);
	}
	return w.result < 0 ? err_wrap(e, "volume '%s'", w.req->volume) : 0;
}

static const struct rpc_method methods[] = {
	{ "Put", on_put, 0 },
};

struct rpc_service projections_service(struct projections *p)
{
	return (struct rpc_service){
		.desc = &husk__projections__descriptor,
		.methods = methods,
		.n_methods = ARRAY_LEN(methods),
		.self = p,
	};
}

struct removal {
	const char *root;
	struct err e;
	int result;
};

static void remove_all_now(void *arg)
{
	struct removal *r = arg;

	r->result = path_remove_tree(AT_FDCWD, r->root, &r->e);
}

void projections_done(struct projections *p)
{
	auto_free char *root = path_join(p->run_dir, PLACE);
	struct removal r = { .root = root, .e = ERR_INIT };

	fiber_group_cancel(&p->leftovers);
	fiber_group_wait(&p->leftovers);
	work_run(remove_all_now, &r);
	if (r.result < 0)
		log_warn("volumes stay: %s", r.e.text);
}
