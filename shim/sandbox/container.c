/* SPDX-License-Identifier: Apache-2.0 */
/* Bringing a container into the guest and taking it out again. */
#include <inttypes.h>
#include <stdlib.h>

#include "common/base/id.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "shim/sandbox/hooks.h"
#include "shim/sandbox/spec_guest.h"
#include "shim/sandbox/state.h"
#include "shim/storage/mount.h"
#include "shim/storage/rootfs.h"

struct sandbox_container {
	struct sandbox *s;
	char *id;
	struct undo undo; /* what it holds on the host */
	struct host_hooks *hooks;
};

static char *root_of_bundle(const struct container_params *p)
{
	return p->spec->root->path[0] == '/' ? xstrdup(p->spec->root->path)
					     : path_join(p->bundle, p->spec->root->path);
}

static int mount_rootfs(struct sandbox *s, const struct container_params *p, struct undo *u,
			char **ret_host, char **ret_guest, struct err *e)
{
	auto_free char *root = NULL;

	if (!s->share.mounts)
		return err_set(
			e, ERR_UNSUPPORTED,
			"shared_fs is \"none\": a root file system of directories cannot get "
			"into the guest");
	if (!p->spec->root || !p->spec->root->path)
		return err_set(e, ERR_INVALID, "the OCI spec has no root.path");
	if (share_add_rootfs(&s->share, p->id, u, ret_host, ret_guest, e) < 0)
		return -1;
	root = root_of_bundle(p);
	return rootfs_mount(p->rootfs, p->n_rootfs, root, *ret_host, u, e);
}

/* Hooks look for the root file system where the specification says, and may change files in it. */
static int run_hooks(struct sandbox *s, const struct container_params *p, const char *host_root,
		     struct deadline d, struct undo *u, struct host_hooks **ret, struct err *e)
{
	auto_undo struct undo meanwhile = UNDO_INIT;
	auto_free char *root = root_of_bundle(p);
	const struct mount_bind_params bind = { .source = host_root, .target = root };

	if (p->n_rootfs > 0 && p->spec->hooks.n_prestart + p->spec->hooks.n_create_runtime > 0 &&
	    mount_bind(&bind, &meanwhile, e) < 0)
		return err_wrap(e, "show the root file system to hooks");
	return hooks_run_create(p, s->vmm_pid, d, u, ret, e);
}

static void log_what_is_lost(const struct container_params *p)
{
	auto_strv char **lost = oci_spec_not_carried(p->spec);
	auto_buf struct buf b = BUF_INIT;

	for (size_t i = 0; lost && lost[i]; i++)
		buf_addf(&b, "%s%s", i ? ", " : "", lost[i]);
	if (b.len)
		log_info("container '%s' runs without %s", p->id, b.data);
}

static int create_in_guest(struct sandbox *s, const struct container_params *p,
			   const struct spec_guest_params *g, struct deadline d, struct err *e)
{
	Grpc__CreateContainerRequest req;
	bool sandbox_pidns = false;
	int result;

	grpc__create_container_request__init(&req);
	if (spec_guest(p->spec, g, &req.oci, &sandbox_pidns, e) < 0)
		return -1;
	log_what_is_lost(p);
	req.container_id = message_text(p->id);
	req.sandbox_pidns = sandbox_pidns;
	result = agent_create_container(s->agent, &req, d, e);
	grpc__spec__free_unpacked(req.oci, NULL);
	return result < 0 ? sandbox_explain(s, e) : 0;
}

static int create(struct sandbox *s, const struct container_params *p, struct deadline d,
		  struct undo *u, struct host_hooks **ret_hooks, struct err *e)
{
	auto_free char *host_root = NULL, *rootfs = NULL;
	struct volume *volumes = NULL;
	struct spec_guest_params g = {
		.bundle = p->bundle,
		.drop_seccomp = s->config->runtime.disable_guest_seccomp,
	};
	int64_t began = clock_now_ms(), mounted;
	int result;

	if (mount_rootfs(s, p, u, &host_root, &rootfs, e) < 0 ||
	    run_hooks(s, p, host_root, d, u, ret_hooks, e) < 0 ||
	    volumes_share(&s->share, p->id, p->spec, u, &volumes, e) < 0)
		return -1;
	mounted = clock_now_ms();
	g.rootfs = rootfs;
	g.volumes = volumes;
	g.sysctls = (const char *const *)s->sysctls;
	result = create_in_guest(s, p, &g, d, e);
	volumes_free(volumes, p->spec->n_mounts);
	if (result == 0)
		strv_free(take_ptr(s->sysctls));
	if (result == 0)
		log_debug("container '%s' created: mounts %" PRId64 " ms, guest %" PRId64 " ms",
			  p->id, mounted - began, clock_now_ms() - mounted);
	return result;
}

int sandbox_create_container(struct sandbox *s, const struct container_params *p, struct deadline d,
			     struct sandbox_container **ret, struct err *e)
{
	auto_undo struct undo u = UNDO_INIT;
	struct deadline limit =
		deadline_min(d,
			     deadline_in_ms(s->config->agent.create_container_timeout_s * 1000ll));
	struct host_hooks *hooks = NULL;
	struct sandbox_container *c;

	if (id_check("container id", p->id, e) < 0)
		return -1;
	if (!sandbox_alive(s)) {
		err_set(e, ERR_UNAVAILABLE, "the sandbox is not running");
		(void)sandbox_explain(s, e);
		return err_wrap(e, "create container %s", p->id);
	}
	if (create(s, p, limit, &u, &hooks, e) < 0)
		return err_wrap(e, "create container %s", p->id);
	c = xnew(struct sandbox_container);
	c->s = s;
	c->id = xstrdup(p->id);
	c->hooks = hooks;
	undo_move(&c->undo, &u);
	*ret = c;
	return 0;
}

void sandbox_container_started(struct sandbox_container *c, struct deadline d)
{
	hooks_run_poststart(c->hooks, d);
}

void sandbox_remove_container(struct sandbox_container *c, struct deadline d)
{
	struct sandbox *s = c->s;
	struct err e = ERR_INIT;

	if (sandbox_alive(s) &&
	    agent_remove_container(s->agent, c->id, sandbox_request_deadline(s, d), &e) < 0)
		log_warn("remove container '%s' from the guest: %s", c->id, e.text);
	undo_run(&c->undo);
	free(c->id);
	free(c);
}
