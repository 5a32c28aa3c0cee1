/* SPDX-License-Identifier: Apache-2.0 */
/* The making of a container, step by step, each with its opposite on the undo stack. */
#include "agent/container/create.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <utlist.h>

#include "agent/container/bundle.h"
#include "agent/container/host_devices.h"
#include "agent/container/lifecycle_hooks.h"
#include "agent/container/namespace_set.h"
#include "agent/container/shared_mounts.h"
#include "agent/mount/mount.h"
#include "agent/storage/layers.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "common/oci/message.h"

/* Limits on what one request may bring; the wire's 4 MiB bound the rest. */
#define MOUNTS_MAX        4096u
#define DEVICES_MAX       1024u
#define STORAGES_MAX      256u
#define SHARED_MOUNTS_MAX 64u
#define ARGUMENTS_MAX     16384u /* words, of arguments and of the environment */

#define CGROUP_REMOVE_MS 10000

/* Which part of a pod the host makes (agent-protocol.md 3.5). */
#define CONTAINER_TYPE_KEY "io.katacontainers.pkg.oci.container_type"
#define CONTAINER_TYPE_POD "pod_container"

int process_check(const Grpc__Process *process, struct err *e)
{
	if (process->n_args == 0)
		return err_set(e, ERR_INVALID, "there are no arguments");
	if (process->n_args > ARGUMENTS_MAX || process->n_env > ARGUMENTS_MAX)
		return err_set(e, ERR_EXHAUSTED, "more than %u arguments or variables",
			       ARGUMENTS_MAX);
	if (process->cwd[0] != '/')
		return err_set(e, ERR_INVALID, "the working directory '%s' is no absolute path",
			       process->cwd);
	return 0;
}

static int check_spec(const Grpc__Spec *spec, struct err *e)
{
	if (!spec)
		return err_set(e, ERR_INVALID, "there is no OCI specification");
	if (!spec->process || !spec->linux || !spec->root)
		return err_set(e, ERR_INVALID,
			       "the OCI specification lacks its process, root or linux part");
	if (spec->n_mounts > MOUNTS_MAX || spec->linux->n_devices > DEVICES_MAX)
		return err_set(e, ERR_EXHAUSTED, "more than %u mounts or %u devices", MOUNTS_MAX,
			       DEVICES_MAX);
	return process_check(spec->process, e);
}

static int check_request(const struct sandbox *sb, const Grpc__CreateContainerRequest *req,
			 struct err *e)
{
	if (id_check("container", req->container_id, e) < 0)
		return -1;
	if (container_find(sb, req->container_id))
		return err_set(e, ERR_EXISTS, "it exists already");
	if (sb->state != SANDBOX_RUNNING)
		return err_set(e, ERR_STATE, "there is no sandbox");
	if (HASH_COUNT(sb->containers) >= SANDBOX_CONTAINERS_MAX)
		return err_set(e, ERR_EXHAUSTED, "there are %u containers already",
			       SANDBOX_CONTAINERS_MAX);
	if (req->n_storages > STORAGES_MAX)
		return err_set(e, ERR_EXHAUSTED, "more than %u storages", STORAGES_MAX);
	if (req->n_shared_mounts > SHARED_MOUNTS_MAX)
		return err_set(e, ERR_EXHAUSTED, "more than %u shared mounts", SHARED_MOUNTS_MAX);
	return check_spec(req->oci, e);
}

static void undo_table(void *arg)
{
	struct container *c = arg;

	HASH_DEL(c->sandbox->containers, c);
	container_unref(c);
}

static void undo_storages(void *arg)
{
	struct container *c = arg;

	for (size_t n = strv_len((const char *const *)c->storages); n-- > 0;)
		storage_release(&c->sandbox->storages, c->storages[n]);
}

/* The members of a request make one root file system. */
static int add_layers(struct container *c, const Grpc__CreateContainerRequest *req,
		      const struct storage_user *user, struct err *e)
{
	auto_free Grpc__Storage **member = xcalloc(req->n_storages + 1, sizeof(*member));
	auto_free char *mount_point = NULL;
	size_t n = 0;

	for (size_t i = 0; i < req->n_storages; i++)
		if (layers_is_member(req->storages[i]))
			member[n++] = req->storages[i];
	if (n == 0)
		return 0;
	if (storage_add_layers(&c->sandbox->storages, member, n, user, &mount_point, e) < 0)
		return -1;
	strv_add(&c->storages, mount_point);
	return 0;
}

static int add_storages(struct container *c, const Grpc__CreateContainerRequest *req, struct err *e)
{
	const struct storage_user user = {
		.run_dir = c->sandbox->options->run_dir,
		.container_id = c->id,
		.devices = c->sandbox->devices,
	};

	undo_push(&c->teardown, "storages", undo_storages, c);
	if (add_layers(c, req, &user, e) < 0)
		return -1;
	for (size_t i = 0; i < req->n_storages; i++) {
		auto_free char *mount_point = NULL;

		if (layers_is_member(req->storages[i]))
			continue;
		if (storage_add(&c->sandbox->storages, req->storages[i], &user, &mount_point, e) <
		    0)
			return -1;
		strv_add(&c->storages, mount_point);
	}
	return 0;
}

static void undo_rootfs(void *arg)
{
	const struct container *c = arg;
	struct err e = ERR_INIT;

	if (mount_remove(GUEST_MOUNT_POINT(c->rootfs), &e) < 0)
		log_warn("container %s: %s", c->id, e.text);
}

/* With nobody to get mounts from, a container's root cannot be a slave. */
static int share_rootfs(const struct container *c, const Grpc__Linux *linux_spec, struct err *e)
{
	const char *wanted = linux_spec->rootfspropagation;

	if (!strstr(wanted, "slave") && !strstr(wanted, "shared"))
		return 0;
	if (mount(NULL, c->rootfs, NULL, MS_SHARED, NULL) < 0)
		return err_sys(e, errno, "share the mounts of '%s'", c->rootfs);
	return 0;
}

/* A storage may have mounted it; otherwise Root.Path says where it is. */
static int mount_rootfs(struct container *c, const Grpc__Root *root, struct err *e)
{
	const struct mount_options bind = { .flags = MS_BIND };
	auto_close int fd = -1;
	char fd_name[FD_PATH_MAX];
	bool mounted;

	if (mount_find(c->rootfs, &mounted, NULL, e) < 0)
		return -1;
	if (mounted)
		return 0;
	if (!path_is_clean(root->path))
		return err_set(e, ERR_INVALID, "root path '%s' is no absolute path without '..'",
			       root->path);
	if (path_mkdirs(c->rootfs, 0755, e) < 0)
		return -1;
	if (strcmp(root->path, c->rootfs) == 0)
		return 0;
	/* Not a link: an image would choose what of the guest is its root. */
	fd = host_path_open(c->sandbox->options->run_dir, root->path, O_DIRECTORY | O_NOFOLLOW, e);
	if (fd < 0)
		return err_wrap(e, "root file system");
	undo_push(&c->teardown, "root file system", undo_rootfs, c);
	if (mount_at(fd_path(fd, fd_name), GUEST_MOUNT_POINT(c->rootfs), "bind", &bind, e) < 0)
		return err_wrap(e, "root file system '%s'", root->path);
	return 0;
}

static void undo_cgroup(void *arg)
{
	struct container *c = arg;
	struct err e = ERR_INIT;

	if (cgroup_kill(c->cgroup, &e) < 0 ||
	    cgroup_remove(c->cgroup, deadline_in_ms(CGROUP_REMOVE_MS), &e) < 0)
		log_warn("container %s: its cgroup stays: %s", c->id, e.text);
}

static int make_cgroup(struct container *c, const Grpc__Linux *linux_spec, struct err *e)
{
	auto_free char *skipped = NULL;

	c->cgroup = cgroup_create(linux_spec->cgroupspath, c->id, e);
	if (!c->cgroup && e->code == ERR_UNSUPPORTED && !c->sandbox->is_init) {
		log_warn("container %s runs without limits: %s", c->id, e->text);
		*e = ERR_INIT;
		return 0;
	}
	if (!c->cgroup)
		return -1;
	undo_push(&c->teardown, "cgroup", undo_cgroup, c);
	if (linux_spec->resources &&
	    cgroup_apply(c->cgroup, linux_spec->resources, &skipped, e) < 0)
		return -1;
	if (skipped)
		log_info("container %s: not applied: %s", c->id, skipped);
	return 0;
}

static void undo_namespaces(void *arg)
{
	namespaces_forget(arg);
}

static void undo_hooks(void *arg)
{
	hooks_run_poststop(arg);
}

/* All that rewrites it has been here. Whatever fails from now on, the poststop hooks run. */
static void keep_spec(struct container *c, const Grpc__Spec *spec)
{
	const Grpc__Hooks *h = spec->hooks;

	c->spec_len = grpc__spec__get_packed_size(spec);
	c->spec = xmalloc(c->spec_len + 1);
	(void)grpc__spec__pack(spec, c->spec);
	c->has_hooks = h && (h->n_prestart > 0 || h->n_poststart > 0 || h->n_poststop > 0);
	if (c->has_hooks)
		undo_push(&c->teardown, "poststop hooks", undo_hooks, c);
}

static int run_prestart(void *arg, pid_t pid, struct deadline d, struct err *e)
{
	return hooks_run_prestart(arg, pid, d, e);
}

static int launch_init(struct container *c, const Grpc__CreateContainerRequest *req,
		       struct deadline d, struct err *e)
{
	Grpc__Spec *spec = req->oci;
	struct process_params params = {
		.container_id = c->id,
		.exec_id = "",
		.spec = spec,
		.process = spec->process,
		.rootfs = c->rootfs,
		.run_dir = c->sandbox->options->run_dir,
		.no_pivot = c->sandbox->no_pivot,
		.pipe_size = c->sandbox->options->pipe_size,
		.prestart = run_prestart,
		.on_exit = container_on_exit,
		.on_done = container_on_done,
		.arg = c,
	};
	struct namespace_set ns;
	char *const *files = c->cgroup ? cgroup_files(c->cgroup) : NULL;
	int cgroup = c->cgroup ? cgroup_fd(c->cgroup) : -1;
	int r = -1;

	if (namespace_set_choose(c, spec->linux, req->sandbox_pidns, &ns, e) < 0)
		return -1;
	c->shares_pid_ns = ns.pidns_fd != NULL;
	params.namespaces = ns.ns;
	params.n_namespaces = ns.n;
	params.pidns_fd = ns.pidns_fd;
	params.cgroup_fd = c->cgroup && !files ? &cgroup : NULL;
	params.cgroup_files = files;
	params.cgroup_path = c->cgroup ? cgroup_path(c->cgroup) : "";
	c->init = process_create(&params, d, e);
	if (c->init) {
		DL_APPEND(c->processes, c->init);
		undo_push(&c->teardown, "processes", container_end_processes, c);
		undo_push(&c->teardown, "namespaces", undo_namespaces, c);
		r = namespaces_remember(c, &ns, e);
	}
	namespace_set_done(&ns);
	return r;
}

static int build(struct container *c, const Grpc__CreateContainerRequest *req, struct deadline d,
		 struct err *e)
{
	if (bundle_make(c, e) < 0)
		return -1;
	if (host_devices_add(c->sandbox->devices, req->devices, req->n_devices, req->oci,
			     &c->pci_map, e) < 0)
		return -1;
	host_devices_map_environment(req->oci->process, c->pci_map);
	if (add_storages(c, req, e) < 0)
		return -1;
	if (mount_rootfs(c, req->oci->root, e) < 0)
		return -1;
	if (share_rootfs(c, req->oci->linux, e) < 0)
		return -1;
	if (make_cgroup(c, req->oci->linux, e) < 0)
		return -1;
	oci_message_set(&req->oci->root->path, c->rootfs);
	guest_hooks_append(&c->sandbox->guest_hooks, req->oci);
	if (bundle_write_config(c, req->oci, e) < 0)
		return -1;
	keep_spec(c, req->oci);
	if (launch_init(c, req, d, e) < 0)
		return -1;
	return shared_mounts_add(c, req->shared_mounts, req->n_shared_mounts, d, e);
}

static bool is_in_pod(const Grpc__Spec *spec)
{
	for (size_t i = 0; i < spec->n_annotations; i++)
		if (strcmp(spec->annotations[i]->key, CONTAINER_TYPE_KEY) == 0)
			return strcmp(spec->annotations[i]->value, CONTAINER_TYPE_POD) == 0;
	return false;
}

int container_create(struct sandbox *sb, const Grpc__CreateContainerRequest *req, struct deadline d,
		     struct err *e)
{
	auto_container struct container *held = NULL;
	struct container *c;
	int r;

	if (check_request(sb, req, e) < 0)
		return err_wrap(e, "create container %s", req->container_id);
	c = xnew(struct container);
	c->sandbox = sb;
	c->refs = 1;
	c->state = CONTAINER_CREATING;
	c->pid_ns = -1;
	c->in_pod = is_in_pod(req->oci);
	(void)snprintf(c->id, sizeof(c->id), "%s", req->container_id);
	if (container_given_name(req->oci))
		c->name = xstrdup(container_given_name(req->oci));
	HASH_ADD_STR(sb->containers, id, c);
	undo_push(&c->teardown, "container", undo_table, c);

	held = container_ref(c);
	r = build(c, req, d, e);
	if (r == 0 && sb->state != SANDBOX_RUNNING)
		r = err_set(e, ERR_STATE, "the sandbox has ended");
	if (r < 0) {
		undo_run(&c->teardown);
		return err_wrap(e, "create container %s", req->container_id);
	}
	if (c->init->exited)
		c->state = CONTAINER_STOPPED;
	else
		c->state = CONTAINER_CREATED;
	return 0;
}
