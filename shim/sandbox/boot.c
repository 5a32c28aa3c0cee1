/* SPDX-License-Identifier: Apache-2.0 */
/* Starting a sandbox: directory, share, cgroup, VM, agent, CreateSandbox. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/async/work.h"
#include "common/base/id.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "common/oci/pod.h"
#include "hypervisor/size.h"
#include "shim/sandbox/host_cgroup.h"
#include "shim/sandbox/size.h"
#include "shim/sandbox/spec_guest.h"
#include "shim/sandbox/state.h"

/* When each step of a start was done, for the one line that says where the time went. */
struct phases {
	int64_t began, prepared, launched, connected, created;
};

struct deadline sandbox_request_deadline(const struct sandbox *s, struct deadline d)
{
	return deadline_min(d, deadline_in_ms(s->config->agent.request_timeout_s * 1000ll));
}

static int prepare_directory(struct sandbox *s, char **ret_run_dir, struct err *e)
{
	auto_free char *run_dir = NULL;

	if (directory_create(s->config->runtime.state_dir, s->ns, s->id, &s->dir, &s->teardown, e) <
	    0)
		return -1;
	run_dir = path_join(s->dir.path, "vm");
	if (mkdir(run_dir, 0700) < 0)
		return err_sys(e, errno, "create '%s'", run_dir);
	*ret_run_dir = take_ptr(run_dir);
	if (strcmp(s->config->hypervisor.shared_fs, "none") == 0)
		return 0;
	return share_start(&s->share, s->dir.path, &s->teardown, e);
}

static int prepare_cgroup(struct sandbox *s, const struct oci_spec *spec, char **ret_list,
			  struct err *e)
{
	if (host_cgroup_create(spec->linux.cgroups_path, &s->dir, &s->teardown, ret_list, e) == 0)
		return 0;
	if (s->config->runtime.sandbox_cgroup_only)
		return err_wrap(e, "cgroup of the sandbox");
	log_warn("the VM stays in the shim's cgroup: %s", e->text);
	*e = ERR_INIT;
	return 0;
}

/* What is added comes in blocks: a maximum that a guest is to reach must not cut the last one off. */
static uint64_t round_room(uint64_t mib)
{
	return (mib + RESOURCES_BLOCK_MIB - 1) / RESOURCES_BLOCK_MIB * RESOURCES_BLOCK_MIB;
}

static int choose_size(const struct sandbox *s, const struct oci_spec *spec, struct sizing *ret,
		       struct err *e)
{
	struct sizing_request asked;

	if (sandbox_sizing_request(spec, &asked, e) < 0 || sizing_of(s->config, &asked, ret, e) < 0)
		return -1;
	ret->max_memory_mib = ret->memory_mib + round_room(ret->max_memory_mib - ret->memory_mib);
	log_info("sandbox size: %" PRIu32 " CPUs, %" PRIu64 " MiB (asked for: quota %" PRId64
		 " of %" PRIu64 " us, shares %" PRIu64 ", memory %" PRId64 " bytes)",
		 ret->vcpus, ret->memory_mib, asked.cpu_quota, asked.cpu_period, asked.cpu_shares,
		 asked.memory);
	if (!s->config->runtime.static_sandbox_resource_mgmt)
		log_info("the sandbox can grow to %" PRIu32 " CPUs and %" PRIu64 " MiB",
			 ret->max_vcpus, ret->max_memory_mib);
	return 0;
}

static void undo_hv(void *arg)
{
	struct sandbox *s = arg;

	s->disks.hv = NULL; /* they end with it */
	hv_stop(s->hv);
	/* Nothing holds these up any more: the agent is disconnected and the machine at its end. */
	while (s->wiring > 0)
		(void)cond_wait_uncancellable(&s->changed, DEADLINE_NEVER);
	hv_free(take_ptr(s->hv));
}

static int launch(struct sandbox *s, const struct oci_spec *spec, const char *run_dir,
		  const char *cgroup, struct deadline d, struct err *e)
{
	struct hv_nic nics[HV_NICS_MAX];
	struct hv_spec vm = {
		.id = s->id,
		.config = s->config,
		.run_dir = run_dir,
		.share_dir = s->share.exported,
		.cgroup = cgroup,
	};

	if (choose_size(s, spec, &vm.size, e) < 0 ||
	    network_start(s->config, spec, s->id, s->dir.path, &s->teardown, &s->network, e) < 0)
		return -1;
	vm.netns_fd = network_netns_fd(s->network);
	vm.n_nics = network_nics(s->network, nics);
	vm.nics = nics;
	if (hv_start(&vm, d, &s->hv, e) < 0)
		return -1;
	network_handed_over(s->network);
	s->vmm_pid = hv_pid(s->hv);
	s->disks.hv = s->hv;
	s->disks.direct = s->config->hypervisor.block_device_cache_direct;
	undo_push(&s->teardown, "VM", undo_hv, s);
	sandbox_watch(s);
	return 0;
}

/* From the end of the connection to the news that the machine has died, which says more. */
#define DEATH_NEWS_MS 200

/* Connecting is a fiber of its own, so that a VM that dies meanwhile ends it at once. */
struct connecting {
	struct sandbox *s;
	struct deadline d;
	struct agent *agent;
	struct err e;
	bool done;
};

static void connect_agent(void *arg)
{
	struct connecting *c = arg;

	hv_wait_agent_channel(c->s->hv, c->d);
	c->agent = agent_connect(hv_agent_address(c->s->hv), c->d, &c->e);
	c->done = true;
	cond_wake_all(&c->s->changed);
}

static void undo_agent(void *arg)
{
	struct sandbox *s = arg;

	agent_disconnect(
		s->agent); /* the struct stays for streams that still end: sandbox_free() */
}

static int connect_failed(const struct sandbox *s, const struct connecting *c, struct err *e)
{
	const char *words;

	if (s->dead)
		err_set(e, ERR_UNAVAILABLE, "the VM died: %s", s->why.text);
	else if (c->e.code == ERR_TIMEOUT)
		err_set(e, ERR_TIMEOUT, "no answer in %" PRIu32 " s",
			s->config->agent.dial_timeout_s);
	else
		*e = c->e;
	err_wrap(e, "connect to agent");
	words = hv_last_words(s->hv);
	return *words ? err_append(e, "%s", words) : -1;
}

static void wait_for_news(struct sandbox *s)
{
	struct deadline limit = deadline_in_ms(DEATH_NEWS_MS);
	struct err ignored = ERR_INIT;

	while (!s->dead && cond_wait(&s->changed, limit, &ignored) == 0)
		continue;
}

static int connect_to_agent(struct sandbox *s, struct deadline d, struct err *e)
{
	struct connecting c = {
		.s = s,
		.d = deadline_min(d, deadline_in_ms(s->config->agent.dial_timeout_s * 1000ll)),
	};
	struct fiber_group group = FIBER_GROUP_INIT;
	struct err cancelled = ERR_INIT;
	int result = 0;

	fiber_group_start(&group, "agent connection", connect_agent, &c);
	while (!c.done && !s->dead && result == 0)
		result = cond_wait(&s->changed, DEADLINE_NEVER, &cancelled);
	if (!c.done)
		fiber_group_cancel(&group);
	fiber_group_wait(&group);
	if (!c.agent && c.e.code == ERR_UNAVAILABLE)
		wait_for_news(s);
	if (c.agent) {
		s->agent = c.agent;
		agent_set_vcpus(s->agent, hv_vcpus(s->hv));
		undo_push(&s->teardown, "agent connection", undo_agent, s);
	}
	if (result < 0) {
		*e = cancelled;
		return err_wrap(e, "connect to agent");
	}
	return c.agent && !s->dead ? 0 : connect_failed(s, &c, e);
}

/* What the guest is told of files that the spec names; they may be on a server that does not answer. */
struct look {
	const struct oci_spec *spec;
	uint64_t shm_bytes;
	char **dns;
	struct err no_dns;
};

static void look_now(void *arg)
{
	struct look *l = arg;

	l->shm_bytes = spec_shm_bytes(l->spec);
	(void)!sandbox_dns(l->spec, &l->dns, &l->no_dns);
}

static int create_sandbox(struct sandbox *s, const struct oci_spec *spec, const struct look *look,
			  struct deadline d, struct err *e)
{
	auto_free char *size = xasprintf("size=%" PRIu64, look->shm_bytes);
	char *share_options[] = { message_text("nodev") };
	char *shm_options[] = { message_text("noexec"), message_text("nosuid"),
				message_text("nodev"), message_text("mode=1777"), size };
	Grpc__Storage share, shm;
	Grpc__Storage *storages[2];
	Grpc__CreateSandboxRequest req;

	grpc__create_sandbox_request__init(&req);
	req.dns = look->dns;
	req.n_dns = strv_len((const char *const *)look->dns);
	req.storages = storages;
	req.sandbox_id = s->id;
	if (spec->hostname)
		req.hostname = spec->hostname;
	if (s->share.exported) {
		grpc__storage__init(&share);
		share.driver = message_text("virtio-fs");
		share.source = message_text(HV_SHARE_TAG);
		share.fstype = message_text("virtiofs");
		share.mount_point = message_text(SHARE_GUEST_DIR);
		share.options = share_options;
		share.n_options = ARRAY_LEN(share_options);
		storages[req.n_storages++] = &share;
	}
	grpc__storage__init(&shm);
	shm.driver = message_text("ephemeral");
	shm.source = message_text("shm");
	shm.fstype = message_text("tmpfs");
	shm.mount_point = message_text(VOLUME_SHM_GUEST_DIR);
	shm.options = shm_options;
	shm.n_options = ARRAY_LEN(shm_options);
	storages[req.n_storages++] = &shm;
	return agent_create_sandbox(s->agent, &req, d, e);
}

/* What can be asked while CreateSandbox runs. Neither is needed: an older agent may refuse. */
struct asking {
	struct sandbox *s;
	struct deadline d;
};

static void ask_details(void *arg)
{
	const struct asking *a = arg;
	struct err e = ERR_INIT;

	if (agent_get_guest_details(a->s->agent, a->d, &e) < 0)
		log_debug("%s", e.text);
}

static void set_date(void *arg)
{
	const struct asking *a = arg;
	struct err e = ERR_INIT;

	if (agent_set_guest_date_time(a->s->agent, a->d, &e) < 0)
		log_debug("%s", e.text);
}

/* Beside CreateSandbox too, but needed. */
struct telling {
	struct sandbox *s;
	struct deadline d;
	struct err e;
};

static void tell_network(void *arg)
{
	struct telling *t = arg;

	(void)!network_tell_guest(t->s->network, t->s->hv, t->s->agent, t->d, &t->e);
}

static int put_projection(void *arg, const Husk__PutRequest *req, struct deadline d, struct err *e)
{
	struct sandbox *s = arg;

	return agent_put_projection(s->agent, req, sandbox_request_deadline(s, d), e);
}

static void project_volumes(struct sandbox *s)
{
	const struct projection_sender to = { .put = put_projection, .arg = s };

	if (agent_has_feature(s->agent, AGENT_FEATURE_PROJECTIONS))
		projections_start(&s->projections, &to, &s->teardown);
	else
		log_info(
			"the agent takes no projected volumes: the guest may miss updates of them");
}

static int set_up_guest(struct sandbox *s, const struct oci_spec *spec, struct deadline d,
			struct err *e)
{
	struct asking a = { .s = s, .d = sandbox_request_deadline(s, d) };
	struct telling t = { .s = s, .d = a.d, .e = ERR_INIT };
	struct look look = { .spec = spec, .no_dns = ERR_INIT };
	struct fiber_group group = FIBER_GROUP_INIT;
	int result;

	fiber_group_start(&group, "guest details", ask_details, &a);
	fiber_group_start(&group, "guest clock", set_date, &a);
	fiber_group_start(&group, "guest network", tell_network, &t);
	work_run(look_now, &look);
	if (look.no_dns.code != ERR_NONE)
		log_warn("the guest has no name servers: %s", look.no_dns.text);
	result = create_sandbox(s, spec, &look, a.d, e);
	strv_free(look.dns);
	if (result < 0)
		fiber_group_cancel(&group);
	fiber_group_wait(&group);
	if (result == 0 && t.e.code != ERR_NONE) {
		*e = t.e;
		result = -1;
	}
	if (result < 0) {
		const char *words = hv_last_words(s->hv);

		(void)sandbox_explain(s, e);
		return *words ? err_append(e, "%s", words) : -1;
	}
	network_forward(s->network, s->agent, &s->teardown);
	project_volumes(s);
	return 0;
}

static int start_steps(struct sandbox *s, const struct sandbox_params *p, struct deadline d,
		       struct phases *t, struct err *e)
{
	auto_free char *run_dir = NULL;
	auto_free char *cgroup = NULL;

	if (prepare_directory(s, &run_dir, e) < 0 || prepare_cgroup(s, p->spec, &cgroup, e) < 0)
		return -1;
	t->prepared = clock_now_ms();
	if (launch(s, p->spec, run_dir, cgroup, d, e) < 0)
		return -1;
	t->launched = clock_now_ms();
	if (connect_to_agent(s, d, e) < 0)
		return -1;
	t->connected = clock_now_ms();
	if (set_up_guest(s, p->spec, d, e) < 0)
		return -1;
	t->created = clock_now_ms();
	return 0;
}

static void keep_sysctls(struct sandbox *s, const struct oci_spec *spec)
{
	if (pod_role(spec) != POD_SANDBOX)
		return; /* a container's own are in its own spec */
	for (size_t i = 0; i < spec->linux.sysctl.n; i++) {
		const struct json_pair *pair = &spec->linux.sysctl.pairs[i];
		auto_free char *text = xasprintf("%s=%s", pair->key, pair->value);

		strv_add(&s->sysctls, text);
	}
}

int sandbox_start(const struct sandbox_params *p, struct deadline d, struct sandbox **ret,
		  struct err *e)
{
	struct phases t = { .began = clock_now_ms() };
	struct sandbox *s;

	if (id_check("namespace", p->ns, e) < 0 || id_check("sandbox id", p->id, e) < 0)
		return -1;
	s = xnew(struct sandbox);
	s->ns = xstrdup(p->ns);
	s->id = xstrdup(p->id);
	s->config = p->config;
	keep_sysctls(s, p->spec);
	s->dir = DIRECTORY_NONE;
	s->copies = VOLUME_COPIES_INIT;
	s->projections = PROJECTIONS_INIT;
	s->changed = COND_INIT;
	if (start_steps(s, p, d, &t, e) < 0) {
		undo_run(&s->teardown);
		sandbox_dispose(s);
		return err_wrap(e, "start sandbox %s", p->id);
	}
	log_info("sandbox started in %" PRId64 " ms: prepare %" PRId64 " ms, vmm %" PRId64
		 " ms, boot %" PRId64 " ms, agent %" PRId64 " ms",
		 t.created - t.began, t.prepared - t.began, t.launched - t.prepared,
		 t.connected - t.launched, t.created - t.connected);
	*ret = s;
	return 0;
}

pid_t sandbox_vmm_pid(const struct sandbox *s)
{
	return s->vmm_pid;
}

struct agent *sandbox_agent(struct sandbox *s)
{
	return s->agent;
}
