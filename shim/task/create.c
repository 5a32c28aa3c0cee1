/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Create: boot the sandbox if there is none, then make the container in it. Everything but Start's
 * one step happens here. What was acquired is taken back if a later step fails.
 *
 * It runs in a fiber of its own, so that a Delete that comes meanwhile (the caller's time was up) can
 * cancel it.
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/id.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "common/base/undo.h"
#include "common/oci/pod.h"
#include "shim/events/task_events.h"
#include "shim/sandbox_api/pod_files.h"
#include "shim/task/boot.h"
#include "shim/task/container.h"
#include "shim/task/handlers.h"
#include "shim/task/watch.h"

#define ROOTFS_MOUNTS_MAX 512 /* containerd activates 255 at most (containerd-shim.md 5.2) */

struct creation {
	const Containerd__Task__V2__CreateTaskRequest *req;
	struct container *container;
	struct deadline deadline;
	int result;
	struct err *e;
};

static void undo_container(void *arg)
{
	container_forget(arg);
}

static void undo_in_guest(void *arg)
{
	struct container *c = arg;

	/* The sandbox may have ended meanwhile and taken it along. */
	if (c->handle)
		sandbox_remove_container(take_ptr(c->handle), deadline_in_ms(5000));
}

static int check_request(const Containerd__Task__V2__CreateTaskRequest *req, struct err *e)
{
	if (id_check("task id", req->id, e) < 0)
		return -1;
	if (!path_is_clean(req->bundle))
		return err_set(e, ERR_INVALID, "bundle '%.200s' is not an absolute path",
			       req->bundle);
	/* Not ERR_UNSUPPORTED: to containerd that means "try task v2", see on_create(). */
	if (req->checkpoint[0] != '\0')
		return err_set(e, ERR_INVALID, "restoring from a checkpoint is not supported");
	if (req->n_rootfs > ROOTFS_MOUNTS_MAX)
		return err_set(e, ERR_EXHAUSTED,
			       "%zu mounts for a root file system, the limit is %d", req->n_rootfs,
			       ROOTFS_MOUNTS_MAX);
	return 0;
}

static int boot(struct creation *job, const struct oci_spec *spec, struct undo *u)
{
	struct task_service *s = job->container->service;
	const struct boot_request request = {
		.bundle = job->container->bundle,
		.spec = spec,
		.options = job->req->options,
	};

	if (service_boot(s, &request, job->deadline, job->e) < 0)
		return -1;
	undo_push(u, "sandbox", service_undo_boot, s);
	return 0;
}

/* A sandbox to put the container in: the one that is there, the one another Create makes, or ours. */
static int provide_sandbox(struct creation *job, const struct oci_spec *spec, struct undo *u)
{
	struct task_service *s = job->container->service;

	while (s->booting)
		if (cond_wait(&s->sandbox_changed, job->deadline, job->e) < 0)
			return err_wrap(job->e, "wait for sandbox %s", s->sandbox_id);
	/* A pod is made once: what comes after its end must not bring back a machine of its name. */
	if ((!s->sandbox || s->ended) && (s->api || (pod_role(spec) == POD_CONTAINER &&
						     !container_owns_sandbox(job->container))))
		return err_set(job->e, ERR_UNAVAILABLE, "sandbox %s is not running", s->sandbox_id);
	if (s->sandbox && !s->ended) {
		if (s->ending || !sandbox_alive(s->sandbox))
			return err_set(job->e, ERR_UNAVAILABLE, "sandbox %s is ending",
				       s->sandbox_id);
		return 0;
	}
	return boot(job, spec, u);
}

static void free_mounts(struct rootfs_mount **mounts)
{
	free(*mounts);
}

static int make_in_guest(struct creation *job, const struct oci_spec *spec, struct undo *u)
{
	const Containerd__Task__V2__CreateTaskRequest *req = job->req;
	struct container *c = job->container;
	CLEANUP(free_mounts)
	struct rootfs_mount *mounts = xcalloc(req->n_rootfs + 1, sizeof(mounts[0]));
	size_t n_options = 0, next = 0;
	struct container_params params = {
		.id = c->id,
		.bundle = c->bundle,
		.spec = spec,
		.rootfs = mounts,
		.n_rootfs = req->n_rootfs,
	};
	auto_free char **lists = NULL;

	/* protobuf counts the options, the sandbox wants a NULL behind them: one array for all. */
	for (size_t i = 0; i < req->n_rootfs; i++)
		n_options += req->rootfs[i]->n_options + 1;
	lists = xcalloc(n_options + 1, sizeof(lists[0]));
	for (size_t i = 0; i < req->n_rootfs; i++) {
		const Containerd__Types__Mount *m = req->rootfs[i];

		mounts[i] = (struct rootfs_mount){
			.type = m->type,
			.source = m->source,
			.target = m->target,
			.options = lists + next,
		};
		if (m->n_options > 0)
			memcpy(lists + next, m->options, m->n_options * sizeof(lists[0]));
		next += m->n_options + 1;
	}
	if (sandbox_create_container(c->service->sandbox, &params, job->deadline, &c->handle,
				     job->e) < 0)
		return -1;
	undo_push(u, "container in the guest", undo_in_guest, c);
	return 0;
}

static int load_spec(const char *bundle, struct oci_spec **ret, struct err *e)
{
	auto_close int dir = open(bundle, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		return err_sys(e, errno, "open bundle '%s'", bundle);
	if (oci_spec_load(dir, "config.json", ret, e) < 0)
		return err_wrap(e, "bundle '%s'", bundle);
	return 0;
}

static void tell_created(const struct creation *job)
{
	const Containerd__Task__V2__CreateTaskRequest *req = job->req;
	struct task_service *s = job->container->service;

	event_task_create(s->publisher, &(struct task_create_event){
						.id = req->id,
						.bundle = req->bundle,
						.rootfs = req->rootfs,
						.n_rootfs = req->n_rootfs,
						.stdin_uri = req->stdin,
						.stdout_uri = req->stdout,
						.stderr_uri = req->stderr,
						.terminal = req->terminal,
						.pid = service_pid(s),
					});
}

static int create(struct creation *job)
{
	struct container *c = job->container;
	auto_oci_spec struct oci_spec *spec = NULL;
	auto_undo struct undo u = UNDO_INIT;

	undo_push(&u, "container", undo_container, c);
	process_set_streams(c->init, job->req->stdin, job->req->stdout, job->req->stderr,
			    job->req->terminal);
	if (load_spec(c->bundle, &spec, job->e) < 0)
		return -1;
	if (c->service->pod_files)
		pod_files_add_mounts(c->service->pod_files, spec);
	if (process_open_streams(c->init, job->deadline, job->e) < 0 ||
	    provide_sandbox(job, spec, &u) < 0)
		return -1;
	c->is_sandbox = pod_role(spec) == POD_SANDBOX && container_owns_sandbox(c);
	if (!c->is_sandbox && make_in_guest(job, spec, &u) < 0)
		return -1;
	/* The cancel may have met a step that was just done. */
	if (c->unwanted)
		return err_set(job->e, ERR_CANCELLED, "its caller gave up");

	/* From here on Delete takes it back, in its own order. */
	undo_drop(&u, undo_in_guest, c);
	undo_drop(&u, service_undo_boot, c->service);
	undo_drop(&u, undo_container, c);
	process_set_state(c->init, PROCESS_CREATED);
	tell_created(job);
	return 0;
}

static void create_fiber(void *arg)
{
	struct creation *job = arg;

	job->result = create(job);
}

int on_create(const struct rpc_call *call, const void *request, void *response, struct err *e)
{
	const Containerd__Task__V2__CreateTaskRequest *req = request;
	Containerd__Task__V2__CreateTaskResponse *resp = response;
	struct task_service *s = call->self;
	struct creation job = { .req = req, .deadline = call->deadline, .e = e };
	struct container *c;

	if (check_request(req, e) < 0)
		return err_wrap(e, "create task '%.100s'", req->id);

	c = container_new(s, req->id, req->bundle);
	container_ref(c);
	job.container = c;
	fiber_group_start(&c->creating, "create", create_fiber, &job);
	fiber_group_wait(&c->creating);
	container_unref(c);
	if (job.result < 0) {
		/* A version 3 Create that is "not implemented" is silently tried again as version 2. */
		if (e->code == ERR_UNSUPPORTED)
			e->code = ERR_INVALID;
		err_wrap(e, "create task '%s'", req->id);
		err_one_line(e);
		log_error("%s", e->text);
		return -1;
	}
	log_info("task %s created", req->id);
	resp->pid = (uint32_t)service_pid(s);
	return 0;
}
