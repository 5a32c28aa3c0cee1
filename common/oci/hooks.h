/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_OCI_HOOKS_H
#define HUSK_OCI_HOOKS_H

#include <stddef.h>
#include <sys/types.h>

#include "common/async/deadline.h"
#include "common/base/cleanup.h"
#include "common/base/err.h"
#include "common/oci/spec.h"

/*
 * Hooks of the OCI runtime specification: programs that are told of a container's life by its state,
 * as JSON, on their standard input.
 */

/* How long a hook may take that says nothing of it; the specification leaves it open. */
#define HOOK_TIMEOUT_S     10
#define HOOK_TIMEOUT_MAX_S 3600

struct hook_state {
	const char *version; /* of the specification, as the container's config.json has it */
	const char *id;
	const char *status; /* "creating", "created", "running" or "stopped" */
	pid_t pid;          /* of its init, as the hook knows it; 0: there is none any more */
	const char *bundle;
	const struct json_pair *annotations;
	size_t n_annotations;
};

/* One line, for free(). In hook_state.c: it needs no loop. */
char *hook_state_text(const struct hook_state *s) must_check;

/* What the hook's timeout gives it, from now on; never later than d. */
struct deadline hook_deadline(const struct oci_hook *h, struct deadline d) must_check;

struct hook_surroundings {
	const char *cwd; /* NULL: ours */
	bool inherit;    /* one without an environment has ours; otherwise none */
	int (*before_exec)(void *arg, const char **ret_step); /* as in child.h; NULL: nothing */
};

/* Run one to its end, with the state text as its input. What it said is in the error. In a fiber. */
int hook_run(const struct oci_hook *h, const char *state, const struct hook_surroundings *s,
	     struct deadline d, struct err *e) must_check;

#endif
