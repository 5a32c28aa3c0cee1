/* SPDX-License-Identifier: Apache-2.0 */
/* Hooks that the agent runs; see lifecycle_hooks.h. */
#include "agent/container/lifecycle_hooks.h"

#include <string.h>

#include "agent/container/bundle.h"
#include "agent/container/hook_message.h"
#include "common/base/log.h"
#include "common/base/mem.h"

static int run(const struct container *c, const Grpc__Spec *spec, const Grpc__Hook *hook,
	       const char *status, pid_t pid, struct deadline d, struct err *e)
{
	static const struct hook_surroundings bare = { .cwd = NULL };
	auto_free char *bundle = bundle_path(c);
	auto_free char *state = hook_message_state(spec, c->id, bundle, status, pid);
	struct hook_message m;
	int r;

	hook_message_init(&m, hook);
	r = hook_run(&m.hook, state, &bare, d, e);
	hook_message_done(&m);
	return r;
}

static Grpc__Spec *spec_of(const struct container *c)
{
	return c->has_hooks ? grpc__spec__unpack(NULL, c->spec_len, c->spec) : NULL;
}

int hooks_run_prestart(const struct container *c, pid_t pid, struct deadline d, struct err *e)
{
	Grpc__Spec *spec = spec_of(c);
	int r = 0;

	for (size_t i = 0; spec && i < spec->hooks->n_prestart && r == 0; i++)
		r = run(c, spec, spec->hooks->prestart[i], "creating", pid, d, e);
	if (spec)
		grpc__spec__free_unpacked(spec, NULL);
	return r < 0 ? err_wrap(e, "prestart") : 0;
}

static void run_all(const struct container *c, const Grpc__Spec *spec, Grpc__Hook *const *hook,
		    size_t n, const char *kind, const char *status, pid_t pid)
{
	for (size_t i = 0; i < n; i++) {
		struct err e = ERR_INIT;

		if (run(c, spec, hook[i], status, pid, DEADLINE_NEVER, &e) < 0)
			log_warn("container %s: %s %s", c->id, kind, e.text);
	}
}

void hooks_run_poststart(const struct container *c)
{
	Grpc__Spec *spec = spec_of(c);

	if (!spec)
		return;
	run_all(c, spec, spec->hooks->poststart, spec->hooks->n_poststart, "poststart", "running",
		c->init ? child_pid(c->init->child) : 0);
	grpc__spec__free_unpacked(spec, NULL);
}

void hooks_run_poststop(const struct container *c)
{
	Grpc__Spec *spec = spec_of(c);

	if (!spec)
		return;
	run_all(c, spec, spec->hooks->poststop, spec->hooks->n_poststop, "poststop", "stopped", 0);
	grpc__spec__free_unpacked(spec, NULL);
}
