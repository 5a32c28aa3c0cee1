/* SPDX-License-Identifier: Apache-2.0 */
/* CreateSandbox notes what is wanted, StartSandbox boots it. */
#include <string.h>

#include "common/base/id.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "shim/sandbox_api/handlers.h"
#include "shim/sandbox_api/pod_files.h"
#include "shim/sandbox_api/pod_spec.h"
#include "shim/task/handlers.h"

int on_create_sandbox(const struct rpc_call *call, const void *request, void *response,
		      struct err *e)
{
	const Containerd__Runtime__Sandbox__V1__CreateSandboxRequest *req = request;
	struct task_service *s = call->self;
	Runtime__V1__PodSandboxConfig *pod;
	struct oci_spec *spec = NULL;
	int result;

	(void)response;
	if (strcmp(req->sandbox_id, s->sandbox_id) != 0)
		return err_set(e, ERR_INVALID, "create sandbox '%.100s': this is the shim of %s",
			       req->sandbox_id, s->sandbox_id);
	if (s->api || s->sandbox || s->booting)
		return err_set(e, ERR_EXISTS, "create sandbox '%s': it is there already",
			       req->sandbox_id);
	if (!path_is_clean(req->bundle_path))
		return err_set(e, ERR_INVALID, "bundle '%.200s' is not an absolute path",
			       req->bundle_path);
	if (pod_config(req, &pod, e) < 0)
		return err_wrap(e, "create sandbox '%s'", req->sandbox_id);
	result = pod_files_write(req->bundle_path, pod, e);
	if (result == 0)
		result = pod_spec(req, pod, &spec, e);
	runtime__v1__pod_sandbox_config__free_unpacked(pod, NULL);
	if (result < 0)
		return err_wrap(e, "create sandbox '%s'", req->sandbox_id);
	s->api = xnew(struct api_sandbox);
	s->api->bundle = xstrdup(req->bundle_path);
	s->api->spec = spec;
	s->pod_files = s->api->bundle;
	s->api->starter = FIBER_GROUP_INIT;
	return 0;
}

struct starting {
	struct task_service *s;
	struct deadline deadline;
	int result;
	struct err *e;
};

static void start_fiber(void *arg)
{
	struct starting *job = arg;
	const struct boot_request request = {
		.bundle = job->s->api->bundle,
		.spec = job->s->api->spec,
	};

	job->result = service_boot(job->s, &request, job->deadline, job->e);
}

int on_start_sandbox(const struct rpc_call *call, const void *request, void *response,
		     struct err *e)
{
	Containerd__Runtime__Sandbox__V1__StartSandboxResponse *resp = response;
	struct task_service *s = call->self;
	struct starting job = { .s = s, .deadline = call->deadline, .e = e };

	(void)request;
	s->api->starting = true;
	fiber_group_start(&s->api->starter, "start", start_fiber, &job);
	fiber_group_wait(&s->api->starter);
	s->api->starting = false;
	cond_wake_all(&s->sandbox_changed);
	/* A StopSandbox that came meanwhile may have met a boot that was just done. */
	if (job.result == 0 && s->api->stopped) {
		service_undo_boot(s);
		job.result = err_set(e, ERR_CANCELLED, "it was stopped");
	}
	if (job.result < 0) {
		err_wrap(e, "start sandbox '%s'", s->sandbox_id);
		err_one_line(e);
		log_error("%s", e->text);
		return -1;
	}
	s->api->started = true;
	s->api->created_at = process_now();
	resp->pid = (uint32_t)service_pid(s);
	resp->created_at = timestamp_new(s->api->created_at);
	log_info("sandbox %s started", s->sandbox_id);
	return 0;
}
