/* SPDX-License-Identifier: Apache-2.0 */
/* Hooks as the wire has them to hooks as they are run; see hook_message.h. */
#include "agent/container/hook_message.h"

#include <string.h>

#include "common/base/mem.h"

char *hook_message_state(const Grpc__Spec *spec, const char *id, const char *bundle,
			 const char *status, pid_t pid)
{
	auto_free struct json_pair *annotations =
		xcalloc(spec->n_annotations + 1, sizeof(*annotations));
	const struct hook_state state = {
		.version = spec->version,
		.id = id,
		.status = status,
		.pid = pid,
		.bundle = bundle,
		.annotations = annotations,
		.n_annotations = spec->n_annotations,
	};

	for (size_t i = 0; i < spec->n_annotations; i++)
		annotations[i] = (struct json_pair){ .key = spec->annotations[i]->key,
						     .value = spec->annotations[i]->value };
	return hook_state_text(&state);
}

/* The wire counts, a program wants a NULL behind the last. */
static char **terminated(char *const *text, size_t n)
{
	char **v = xcalloc(n + 1, sizeof(char *));

	for (size_t i = 0; i < n; i++)
		v[i] = text[i];
	return v;
}

void hook_message_init(struct hook_message *m, const Grpc__Hook *hook)
{
	m->args = terminated(hook->args, hook->n_args);
	m->env = terminated(hook->env, hook->n_env);
	m->hook = (struct oci_hook){
		.path = hook->path,
		.args = m->args,
		.env = m->env,
		.has_timeout = hook->timeout > 0,
		.timeout = hook->timeout,
	};
}

void hook_message_done(struct hook_message *m)
{
	free(m->args);
	free(m->env);
}
