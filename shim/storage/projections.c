/* SPDX-License-Identifier: Apache-2.0 */
/* Projected volumes of a pod, kept up to date in the guest; see projections.h. */
#include "shim/storage/projections.h"

#include <stdlib.h>
#include <string.h>

#include "common/async/work.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/path.h"

struct projection {
	struct projection *next;
	char *source, *name;
	struct projection_version seen;
	bool in_guest; /* false: mounted in another way, for good */
	bool refused;  /* what was seen cannot be copied: the guest shows an older set */
	bool failing;  /* that was logged */
	/* Of one look. */
	struct projection_version now;
	struct err e;
	int looked;
};

struct reading {
	const struct projection *v;
	struct projection_version version;
	Husk__PutRequest *set;
	struct err e;
	int result;
};

static void read_now(void *arg)
{
	struct reading *r = arg;

	r->result = projection_read(r->v->source, r->v->name, &r->version, &r->set, &r->e);
}

/* *ret_refused: it will be the same again, until the volume shows another set. */
static int update(const struct projections *p, struct projection *v, struct deadline d,
		  bool *ret_refused, struct err *e)
{
	struct reading r = { .v = v, .e = ERR_INIT };
	int result;

	work_run(read_now, &r);
	*ret_refused = r.result < 0 && (r.e.code == ERR_EXHAUSTED || r.e.code == ERR_UNSUPPORTED);
	if (r.result < 0) {
		*e = r.e;
	} else {
		result = p->to.put(p->to.arg, r.set, d, e);
		husk__put_request__free_unpacked(r.set, NULL);
		if (result < 0)
			return -1;
	}
	if (r.result == 0 || *ret_refused)
		v->seen = r.version;
	return r.result;
}

static int lock(struct projections *p, struct deadline d, struct err *e)
{
	while (p->busy)
		if (cond_wait(&p->idle, d, e) < 0)
			return -1;
	p->busy = true;
	return 0;
}

static void unlock(struct projections *p)
{
	p->busy = false;
	cond_wake_one(&p->idle);
}

/* ---- Watching ---- */

/* In one go, so that a pod at rest costs one job of a worker, however many volumes it has. */
static void look_at_all(void *arg)
{
	const struct projections *p = arg;

	for (struct projection *v = p->first; v; v = v->next) {
		v->e = ERR_INIT;
		v->looked = v->in_guest ? projection_look(v->source, &v->now, &v->e) : 0;
	}
}

static void report(struct projection *v, bool failed, const struct err *e)
{
	if (failed && !v->failing)
		log_warn("volume '%s' is not kept up to date in the guest: %s", v->source, e->text);
	if (!failed && v->failing)
		log_info("volume '%s' is up to date again", v->source);
	v->failing = failed;
}

/* -1: cancelled. */
static int follow(const struct projections *p, struct projection *v)
{
	bool same = v->looked == 0 && projection_same(&v->now, &v->seen);

	if (same && v->refused)
		return 0;
	if (v->looked == 0 && !same)
		v->looked = update(p, v, DEADLINE_NEVER, &v->refused, &v->e);
	if (v->looked < 0 && v->e.code == ERR_CANCELLED)
		return -1;
	report(v, v->looked < 0, &v->e);
	return 0;
}

static void watch(void *arg)
{
	struct projections *p = arg;
	struct err cancelled = ERR_INIT;
	int r = 0;

	while (r == 0 && fiber_sleep_ms(PROJECTIONS_LOOK_MS, &cancelled) == 0 &&
	       lock(p, DEADLINE_NEVER, &cancelled) == 0) {
		work_run(look_at_all, p);
		for (struct projection *v = p->first; v && r == 0; v = v->next)
			if (v->in_guest)
				r = follow(p, v);
		unlock(p);
	}
}

static void stop(void *arg)
{
	struct projections *p = arg;

	p->open = false;
	fiber_group_cancel(&p->watch);
	fiber_group_wait(&p->watch);
}

void projections_start(struct projections *p, const struct projection_sender *to, struct undo *u)
{
	p->to = *to;
	p->open = true;
	undo_push(u, "projected volumes", stop, p);
}

/* ---- The list ---- */

static struct projection *find(const struct projections *p, const char *source)
{
	for (struct projection *v = p->first; v; v = v->next)
		if (strcmp(v->source, source) == 0)
			return v;
	return NULL;
}

static void free_one(struct projection *v)
{
	free(v->source);
	free(v->name);
	free(v);
}

/* One that failed leaves nothing: whoever asks again begins anew. */
static int add(struct projections *p, const char *name, const char *source, struct deadline d,
	       struct projection **ret, struct err *e)
{
	struct projection *v = xnew(struct projection);

	v->source = xstrdup(source);
	v->name = xstrdup(name);
	v->in_guest = update(p, v, d, &v->refused, e) == 0;
	if (!v->in_guest && !v->refused) {
		free_one(v);
		return err_wrap(e, "volume '%s'", source);
	}
	if (v->refused) {
		log_warn("volume '%s' is mounted without a copy in the guest, which may miss "
			 "updates: %s",
			 source, e->text);
		*e = ERR_INIT;
	}
	v->next = p->first;
	p->first = v;
	*ret = v;
	return 0;
}

static int bring(struct projections *p, const char *name, const char *source, struct deadline d,
		 char **ret_path, struct err *e)
{
	struct projection *v = find(p, source);

	if (!v && add(p, name, source, d, &v, e) < 0)
		return -1;
	if (!v->in_guest)
		return 0;
	/* The sandbox may have ended meanwhile: nobody would wait for a fiber that starts now. */
	if (!p->open)
		return err_set(e, ERR_UNAVAILABLE, "the sandbox is ending");
	if (!p->watch.first)
		fiber_group_start(&p->watch, "projected volumes", watch, p);
	*ret_path = path_join(PROJECTIONS_GUEST_DIR, name);
	return 1;
}

int projections_bring(struct projections *p, const char *kubelet_root, const char *source,
		      struct deadline d, char **ret_path, struct err *e)
{
	auto_free char *name = p->open ? projection_name(kubelet_root, source) : NULL;
	int r;

	if (!name)
		return 0;
	if (lock(p, d, e) < 0)
		return err_wrap(e, "volume '%s'", source);
	r = bring(p, name, source, d, ret_path, e);
	unlock(p);
	return r;
}

void projections_done(struct projections *p)
{
	while (p->first) {
		struct projection *next = p->first->next;

		free_one(p->first);
		p->first = next;
	}
}
