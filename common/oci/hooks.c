/* SPDX-License-Identifier: Apache-2.0 */
/* Running hooks; see hooks.h. */
#include "common/oci/hooks.h"

#include <string.h>

#include "common/async/command.h"
#include "common/base/mem.h"

struct deadline hook_deadline(const struct oci_hook *h, struct deadline d)
{
	int64_t seconds = h->timeout > 0 ? h->timeout : HOOK_TIMEOUT_S;

	if (seconds > HOOK_TIMEOUT_MAX_S)
		seconds = HOOK_TIMEOUT_MAX_S;
	return deadline_min(d, deadline_in_ms(seconds * 1000));
}

int hook_run(const struct oci_hook *h, const char *state, const struct hook_surroundings *s,
	     struct deadline d, struct err *e)
{
	static const char *const none[] = { NULL };
	const char *const only_path[] = { h->path, NULL };
	bool bare = !h->env || !h->env[0];
	const struct command run = {
		.path = h->path,
		.argv = h->args && h->args[0] ? (const char *const *)h->args : only_path,
		.envp = !bare        ? (const char *const *)h->env
			: s->inherit ? NULL
				     : none,
		.cwd = s->cwd,
		.before_exec = s->before_exec,
		.input = state,
		.input_len = strlen(state),
	};

	if (command_run(&run, hook_deadline(h, d), NULL, NULL, e) < 0)
		return err_wrap(e, "hook '%s'", h->path);
	return 0;
}
