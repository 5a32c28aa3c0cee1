/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_AGENT_GUEST_HOOKS_H
#define HUSK_AGENT_GUEST_HOOKS_H

#include "common/base/cleanup.h"
#include "common/base/err.h"
#include "oci.pb-c.h"

/*
 * Hooks that the guest image brings along (CreateSandboxRequest.guest_hook_path): every executable in
 * <dir>/prestart, <dir>/poststart and <dir>/poststop is a hook of every container, in the order of their
 * names, called with its own name and the kind.
 */
struct guest_hooks {
	char **prestart, **poststart, **poststop; /* paths, NULL-terminated; NULL: none */
};

/*
 * Regular files with an x bit; symlinks are left out. A directory that is not there has none. `dir`
 * must be absolute.
 */
int guest_hooks_scan(const char *dir, struct guest_hooks *ret, struct err *e) must_check;
void guest_hooks_done(struct guest_hooks *h);

/* Behind the hooks that the specification has itself. */
void guest_hooks_append(const struct guest_hooks *h, Grpc__Spec *spec);

#endif
