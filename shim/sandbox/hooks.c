/* SPDX-License-Identifier: Apache-2.0 */
/* The hooks of the host; see hooks.h. */
#include "shim/sandbox/hooks.h"

#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <unistd.h>

#include "common/async/fiber.h"
#include "common/base/fd.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/oci/hooks.h"

#define OWED_FILE "poststop-hooks" /* in the bundle: they are to be run still */

/* The specification is read again for the later ones: it is large, and few containers have any. */
struct host_hooks {
	char *id, *bundle;
	pid_t pid;
};

struct moment {
	const char *kind, *status;
	bool required; /* the first failure ends it */
	bool own_mounts;
};

/*
 * The container's mounts, in which createContainer hooks are to run, are the guest's. What a hook mounts
 * below the root file system is for itself then, and must not stay on the host.
 */
static int enter_own_mounts(void *arg, const char **ret_step)
{
	(void)arg;
	*ret_step = "make a mount namespace";
	return unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0 ? -1
											       : 0;
}

static int run_list(const struct host_hooks *h, const struct oci_spec *spec,
		    const struct oci_hook *hook, size_t n, const struct moment *m, pid_t pid,
		    struct deadline d, struct err *e)
{
	const struct hook_state state = {
		.version = spec->version,
		.id = h->id,
		.status = m->status,
		.pid = pid,
		.bundle = h->bundle,
		.annotations = spec->annotations.pairs,
		.n_annotations = spec->annotations.n,
	};
	const struct hook_surroundings surroundings = {
		.cwd = h->bundle,
		.inherit = true,
		.before_exec = m->own_mounts ? enter_own_mounts : NULL,
	};
	auto_free char *text = hook_state_text(&state);

	for (size_t i = 0; i < n; i++) {
		struct err why = ERR_INIT;

		if (hook_run(&hook[i], text, &surroundings, d, &why) == 0)
			continue;
		(void)err_wrap(&why, "%s", m->kind);
		if (m->required) {
			*e = why;
			return -1;
		}
		log_warn("container '%s': %s", h->id, why.text);
	}
	return 0;
}

static int load(const struct host_hooks *h, struct oci_spec **ret, struct err *e)
{
	auto_close int dir = open(h->bundle, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		return err_sys(e, errno, "open bundle '%s'", h->bundle);
	return oci_spec_load(dir, "config.json", ret, e);
}

static int note_owed(const struct host_hooks *h, struct err *e)
{
	auto_close int dir = open(h->bundle, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		return err_sys(e, errno, "open bundle '%s'", h->bundle);
	return file_replace(dir, OWED_FILE, "", 0, e);
}

/* True: they were owed, and it was this call that settles it. */
static bool settle_owed(const char *bundle)
{
	auto_close int dir = open(bundle, O_PATH | O_DIRECTORY | O_CLOEXEC);

	return dir >= 0 && unlinkat(dir, OWED_FILE, 0) == 0;
}

static void run_poststop(const struct host_hooks *h, struct deadline d)
{
	static const struct moment poststop = { .kind = "poststop", .status = "stopped" };
	auto_oci_spec struct oci_spec *spec = NULL;
	struct err e = ERR_INIT;

	if (!settle_owed(h->bundle))
		return;
	if (load(h, &spec, &e) < 0 || run_list(h, spec, spec->hooks.poststop,
					       spec->hooks.n_poststop, &poststop, 0, d, &e) < 0)
		log_warn("container '%s': poststop hooks: %s", h->id, e.text);
}

static struct host_hooks *host_hooks_new(const char *id, const char *bundle, pid_t pid)
{
	struct host_hooks *h = xnew(struct host_hooks);

	h->id = xstrdup(id);
	h->bundle = xstrdup(bundle);
	h->pid = pid;
	return h;
}

static void host_hooks_free(struct host_hooks *h)
{
	free(h->id);
	free(h->bundle);
	free(h);
}

static void undo_hooks(void *arg)
{
	run_poststop(arg, DEADLINE_NEVER);
	host_hooks_free(arg);
}

void hooks_leave_owed(struct host_hooks *h)
{
	if (h)
		host_hooks_free(h);
}

int hooks_run_create(const struct container_params *p, pid_t pid, struct deadline d, struct undo *u,
		     struct host_hooks **ret, struct err *e)
{
	static const struct moment prestart = { "prestart", "creating", true, false };
	static const struct moment create_runtime = { "createRuntime", "creating", true, false };
	static const struct moment create_container = { "createContainer", "creating", true, true };
	const struct oci_hooks *all = &p->spec->hooks;
	struct host_hooks *h;

	*ret = NULL;
	if (all->n_prestart + all->n_create_runtime + all->n_create_container + all->n_poststart +
		    all->n_poststop ==
	    0)
		return 0;
	h = host_hooks_new(p->id, p->bundle, pid);
	undo_push(u, "hooks", undo_hooks, h);
	if (all->n_poststop > 0 && note_owed(h, e) < 0)
		return -1;
	if (run_list(h, p->spec, all->prestart, all->n_prestart, &prestart, pid, d, e) < 0 ||
	    run_list(h, p->spec, all->create_runtime, all->n_create_runtime, &create_runtime, pid,
		     d, e) < 0 ||
	    run_list(h, p->spec, all->create_container, all->n_create_container, &create_container,
		     pid, d, e) < 0)
		return -1;
	*ret = h;
	return 0;
}

void hooks_run_poststart(const struct host_hooks *of_container, struct deadline d)
{
	static const struct moment poststart = { .kind = "poststart", .status = "running" };
	auto_oci_spec struct oci_spec *spec = NULL;
	struct err e = ERR_INIT;
	struct host_hooks *h;

	if (!of_container)
		return;
	/* The container, and what it has of its hooks, may be gone before the last of these ends. */
	h = host_hooks_new(of_container->id, of_container->bundle, of_container->pid);
	if (load(h, &spec, &e) < 0 ||
	    run_list(h, spec, spec->hooks.poststart, spec->hooks.n_poststart, &poststart, h->pid, d,
		     &e) < 0)
		log_warn("container '%s': poststart hooks: %s", h->id, e.text);
	host_hooks_free(h);
}

struct owed {
	const struct host_hooks *hooks;
	struct deadline d;
};

static void run_owed(void *arg)
{
	const struct owed *o = arg;

	run_poststop(o->hooks, o->d);
}

void hooks_run_owed(const char *bundle, const char *id, struct deadline d)
{
	auto_free char *file = xasprintf("%s/" OWED_FILE, bundle);
	struct host_hooks *h = host_hooks_new(id, bundle, 0);
	struct owed owed = { .hooks = h, .d = d };

	if (access(file, F_OK) == 0)
		fiber_main(run_owed, &owed);
	host_hooks_free(h);
}
