/* SPDX-License-Identifier: Apache-2.0 */
/* Bringing a container into the guest and taking it out again. */
#include <inttypes.h>
#include <stdlib.h>

#include "common/async/work.h"
#include "common/base/id.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "shim/sandbox/container_files.h"
#include "shim/sandbox/hooks.h"
#include "shim/sandbox/spec_guest.h"
#include "shim/sandbox/state.h"
#include "shim/storage/mount.h"

struct sandbox_container {
	struct sandbox *s;
	char *id;
	struct undo undo; /* what it holds on the host */
	struct undo owed; /* the poststop hooks: when all that has been undone */
	struct host_hooks *hooks;
	bool leaving, out; /* being taken out of the guest and the sandbox; it was */
	struct cond left;
};

static bool has_hooks_before_start(const struct oci_hooks *h)
{
	return h->n_prestart + h->n_create_runtime + h->n_create_container > 0;
}

/*
 * Hooks look for the root file system where the specification says, and may change files in it. One
 * that is on disks of the guest they do not see.
 */
static int show_to_hooks(const struct container_params *p, const char *host_root, struct undo *u,
			 struct err *e)
{
	auto_free char *root = container_root(p);
	const struct mount_bind_params bind = { .source = host_root, .target = root };

	if (!host_root || p->n_rootfs == 0 || !has_hooks_before_start(&p->spec->hooks))
		return 0;
	return mount_bind(&bind, u, e) < 0 ? err_wrap(e, "show the root file system to hooks") : 0;
}

static void log_what_is_lost(const struct container_params *p)
{
	auto_strv char **lost = oci_spec_not_carried(p->spec);
	auto_free char *text = strv_join((const char *const *)lost, ", ");

	if (text[0])
		log_info("container '%s' runs without %s", p->id, text);
}

static int create_in_guest(struct sandbox *s, const struct container_params *p,
			   const struct container_files *f, struct deadline d, struct err *e)
{
	const struct spec_guest_params g = {
		.bundle = p->bundle,
		.rootfs = f->rootfs,
		.volumes = f->volumes,
		.devices = f->request.devices,
		.n_devices = f->request.n_devices,
		.drop_seccomp = s->config->runtime.disable_guest_seccomp,
		.read_only = f->read_only,
		.sysctls = (const char *const *)s->sysctls,
	};
	Grpc__CreateContainerRequest req;
	bool sandbox_pidns = false;
	int result;

	grpc__create_container_request__init(&req);
	if (spec_guest(p->spec, &g, &req.oci, &sandbox_pidns, e) < 0)
		return -1;
	log_what_is_lost(p);
	req.container_id = message_text(p->id);
	req.sandbox_pidns = sandbox_pidns;
	req.storages = f->request.storages;
	req.n_storages = f->request.n_storages;
	req.devices = f->request.devices;
	req.n_devices = f->request.n_devices;
	result = agent_create_container(s->agent, &req, d, e);
	grpc__spec__free_unpacked(req.oci, NULL);
	return result;
}

/* What a container is made of may be on a server that does not answer: a worker is left for the others. */
#define BRINGING_MAX (WORK_THREADS - 1)

static int take_place(struct sandbox *s, struct deadline d, struct err *e)
{
	while (s->bringing == BRINGING_MAX) {
		if (!sandbox_alive(s))
			return err_set(e, ERR_UNAVAILABLE, "the sandbox is ending");
		if (cond_wait(&s->changed, d, e) < 0)
			return err_wrap(e, "wait for the files of %d other containers",
					BRINGING_MAX);
	}
	s->bringing++;
	return 0;
}

static void leave_place(struct sandbox *s)
{
	s->bringing--;
	cond_wake_all(&s->changed);
}

static int bring_rootfs(struct sandbox *s, const struct container_params *p, struct deadline d,
			struct undo *u, struct container_files *f, struct undo *shown,
			struct err *e)
{
	int result;

	if (take_place(s, d, e) < 0)
		return -1;
	result = container_files_rootfs(s, p, d, u, f, e);
	if (result == 0)
		result = show_to_hooks(p, f->host_root, shown, e);
	leave_place(s);
	return result;
}

static int bring_volumes(struct sandbox *s, const struct container_params *p, struct deadline d,
			 struct undo *u, struct container_files *f, struct err *e)
{
	int result;

	if (take_place(s, d, e) < 0)
		return -1;
	result = container_files_volumes(s, p, d, u, f, e);
	leave_place(s);
	return result;
}

/* Hooks need no worker, and may take long: no place is theirs. */
static int bring_files(struct sandbox *s, const struct container_params *p, struct deadline d,
		       struct sandbox_container *c, struct container_files *f, struct err *e)
{
	struct undo shown = UNDO_INIT;
	int result = bring_rootfs(s, p, d, &c->undo, f, &shown, e);

	if (result == 0)
		result = hooks_run_create(p, s->vmm_pid, d, &c->owed, &c->hooks, e);
	undo_run(&shown);
	return result < 0 ? -1 : bring_volumes(s, p, d, &c->undo, f, e);
}

static int create(struct sandbox *s, const struct container_params *p, struct deadline d,
		  struct sandbox_container *c, struct err *e)
{
	struct container_files f = CONTAINER_FILES_INIT;
	int64_t began = clock_now_ms(), mounted;
	int result = -1;

	if (resources_claim(s, p->id, p->spec->linux.resources, d, &c->undo, e) == 0 &&
	    bring_files(s, p, d, c, &f, e) == 0) {
		mounted = clock_now_ms();
		result = create_in_guest(s, p, &f, d, e);
		if (result == 0)
			log_debug("container '%s' created: mounts %" PRId64 " ms, guest %" PRId64
				  " ms",
				  p->id, mounted - began, clock_now_ms() - mounted);
	}
	if (result == 0)
		strv_free(take_ptr(s->sysctls));
	container_files_done(&f, p);
	return result;
}

static int create_in_running(struct sandbox *s, const struct container_params *p, struct deadline d,
			     struct sandbox_container *c, struct err *e)
{
	if (!sandbox_alive(s))
		return err_set(e, ERR_UNAVAILABLE, "the sandbox is not running");
	if (create(s, p, d, c, e) < 0)
		return -1;
	/* Its end may have come with the guest's answer: of those it has seen to, this is none. */
	return sandbox_alive(s) ? 0 : err_set(e, ERR_UNAVAILABLE, "the sandbox is ending");
}

static void free_container(struct sandbox_container *c)
{
	free(c->id);
	free(c);
}

int sandbox_create_container(struct sandbox *s, const struct container_params *p, struct deadline d,
			     struct sandbox_container **ret, struct err *e)
{
	const int64_t limit_ms = s->config->agent.create_container_timeout_s * 1000ll;
	struct sandbox_container *c;

	if (id_check("container id", p->id, e) < 0)
		return -1;
	c = xnew(struct sandbox_container);
	c->s = s;
	c->id = xstrdup(p->id);
	sandbox_enter(s);
	if (create_in_running(s, p, deadline_min(d, deadline_in_ms(limit_ms)), c, e) == 0) {
		sandbox_leave(s);
		*ret = c;
		return 0;
	}
	undo_run(&c->undo);
	(void)sandbox_explain(s, e);
	sandbox_leave(s);
	/* They may take their time, for which nobody has to wait who ends the sandbox. */
	undo_run(&c->owed);
	free_container(c);
	return err_wrap(e, "create container %s", p->id);
}

void sandbox_container_started(struct sandbox_container *c, struct deadline d)
{
	hooks_run_poststart(c->hooks, d);
}

void sandbox_take_out_container(struct sandbox_container *c, struct deadline d)
{
	struct sandbox *s = c->s;
	struct err e = ERR_INIT;

	if (c->leaving || c->out)
		return;
	c->leaving = true;
	sandbox_enter(s);
	if (sandbox_alive(s) &&
	    agent_remove_container(s->agent, c->id, sandbox_request_deadline(s, d), &e) < 0)
		log_warn("remove container '%s' from the guest: %s", c->id, e.text);
	undo_run(&c->undo);
	sandbox_leave(s);
	c->leaving = false;
	c->out = true;
	cond_wake_all(&c->left);
}

bool sandbox_container_is_out(const struct sandbox_container *c)
{
	return c->leaving || c->out;
}

void sandbox_remove_container(struct sandbox_container *c, struct deadline d)
{
	sandbox_take_out_container(c, d);
	while (!c->out)
		(void)cond_wait_uncancellable(&c->left, DEADLINE_NEVER);
	undo_run(&c->owed);
	free_container(c);
}

void sandbox_forget_container(struct sandbox_container *c)
{
	while (!c->out)
		(void)cond_wait_uncancellable(&c->left, DEADLINE_NEVER);
	hooks_leave_owed(c->hooks);
	undo_forget(&c->owed);
	free_container(c);
}
