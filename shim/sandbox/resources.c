/* SPDX-License-Identifier: Apache-2.0 */
/* Room for containers in a sandbox; see resources.h. */
#include "shim/sandbox/resources.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "hypervisor/size.h"
#include "shim/sandbox/host_cgroup.h"
#include "shim/sandbox/size.h"
#include "shim/sandbox/spec_guest.h"
#include "shim/sandbox/state.h"

#define MIB (UINT64_C(1) << 20)

/*
 * A guest has to describe new memory in what it has: 64 bytes for each 4096. So it gets no more at a
 * time than would fill a quarter of it.
 */
#define STEP_FACTOR 16

struct claim {
	struct sandbox *s;
	char *id;
	struct sizing_request limits;
	char *cpus, *mems; /* "": any */
	struct claim *next;
};

static struct claim *find(const struct resources *r, const char *id)
{
	struct claim *c = r->claims;

	while (c && strcmp(c->id, id) != 0)
		c = c->next;
	return c;
}

static void free_claim(struct claim *c)
{
	free(c->id);
	free(c->cpus);
	free(c->mems);
	free(c);
}

static void replace(char **slot, const char *text)
{
	if (!text)
		return;
	free(*slot);
	*slot = xstrdup(text);
}

/* What is not there stays as it was. */
static void set_limits(struct claim *c, const struct oci_resources *r)
{
	sandbox_container_limits(r, &c->limits);
	if (r && r->cpu) {
		replace(&c->cpus, r->cpu->cpus);
		replace(&c->mems, r->cpu->mems);
	}
}

static struct claim *new_claim(struct sandbox *s, const char *id)
{
	struct claim *c = xnew(struct claim);

	c->s = s;
	c->id = xstrdup(id);
	c->cpus = xstrdup("");
	c->mems = xstrdup("");
	return c;
}

static struct claim *copy_claim(const struct claim *c)
{
	struct claim *copy = new_claim(c->s, c->id);

	copy->limits = c->limits;
	replace(&copy->cpus, c->cpus);
	replace(&copy->mems, c->mems);
	return copy;
}

/* ---- The VM ---- */

static int wanted_size(const struct sandbox *s, struct sizing *ret, struct err *e)
{
	auto_free struct sizing_request *all = NULL;
	size_t n = 0, i = 0;

	for (const struct claim *c = s->resources.claims; c; c = c->next)
		n++;
	all = xcalloc(n + 1, sizeof(*all));
	for (const struct claim *c = s->resources.claims; c; c = c->next)
		all[i++] = c->limits;
	return sizing_of_containers(s->config, all, n, ret, e);
}

static uint64_t next_step(const struct sandbox *s, uint64_t wanted_mib)
{
	uint64_t have = hv_memory_mib(s->hv), missing = wanted_mib - have;
	uint64_t block = agent_memory_block(s->agent) / MIB;
	uint64_t step = missing < have * STEP_FACTOR ? missing : have * STEP_FACTOR;

	return (step + block - 1) / block * block;
}

/* A kernel without memory hot-plug says by ACPI that it took the memory all the same. */
static int add_memory(struct sandbox *s, uint64_t wanted_mib, struct deadline d, struct err *e)
{
	if (agent_memory_block(s->agent) < MIB)
		return err_set(e, ERR_UNSUPPORTED,
			       "the VM needs %" PRIu64 " MiB and has %" PRIu64
			       " MiB: the guest's kernel has no memory hot-plug",
			       wanted_mib, hv_memory_mib(s->hv));
	return hv_add_memory(s->hv, next_step(s, wanted_mib), d, e);
}

/* One thing at a time, from what there is: also what an earlier failure left half done. */
static int grow_to(struct sandbox *s, const struct sizing *wanted, struct deadline d, struct err *e)
{
	struct resources *r = &s->resources;

	while (sandbox_alive(s)) {
		uint32_t vcpus = hv_vcpus(s->hv);
		uint64_t mib = hv_memory_mib(s->hv);
		int result;

		if (vcpus != r->vcpus_online || mib != r->mib_online) {
			result = agent_online_cpu_mem(s->agent, vcpus, mib != r->mib_online,
						      sandbox_request_deadline(s, d), e);
			if (result == 0) {
				r->vcpus_online = vcpus;
				r->mib_online = mib;
			}
		} else if (vcpus < wanted->vcpus) {
			result = hv_add_vcpus(s->hv, wanted->vcpus - vcpus, d, e);
		} else if (mib < wanted->memory_mib) {
			result = add_memory(s, wanted->memory_mib, d, e);
		} else {
			return 0;
		}
		if (result < 0)
			return -1;
	}
	return err_set(e, ERR_UNAVAILABLE, "the sandbox is ending");
}

static int grow(struct sandbox *s, struct deadline d, struct err *e)
{
	struct sizing wanted;
	uint32_t vcpus;
	uint64_t mib;

	if (s->config->runtime.static_sandbox_resource_mgmt)
		return 0;
	if (!sandbox_alive(s))
		return err_set(e, ERR_UNAVAILABLE, "the sandbox is ending");
	if (wanted_size(s, &wanted, e) < 0)
		return -1;
	vcpus = hv_vcpus(s->hv);
	mib = hv_memory_mib(s->hv);
	if (s->resources.vcpus_online == 0) {
		s->resources.vcpus_online = vcpus;
		s->resources.mib_online = mib;
	}
	if (wanted.capped)
		log_warn("the limits of the containers are beyond what the host has");
	if (grow_to(s, &wanted, d, e) < 0)
		return -1;
	if (hv_vcpus(s->hv) != vcpus || hv_memory_mib(s->hv) != mib)
		log_info("sandbox size: %" PRIu32 " CPUs, %" PRIu64 " MiB (%" PRIu32 " and %" PRIu64
			 " before; the containers need %" PRIu32 " and %" PRIu64 ")",
			 hv_vcpus(s->hv), hv_memory_mib(s->hv), vcpus, mib, wanted.vcpus,
			 wanted.memory_mib);
	return 0;
}

/* ---- The cgroup on the host ---- */

static const char *cpus_of(const struct claim *c)
{
	return c->cpus;
}

static const char *mems_of(const struct claim *c)
{
	return c->mems;
}

/* Lists may overlap. NULL, for any, if one of them is not bound. For free(). */
static char *join(const struct resources *r, const char *(*of)(const struct claim *c))
{
	auto_buf struct buf b = BUF_INIT;

	for (const struct claim *c = r->claims; c; c = c->next) {
		if (*of(c) == '\0')
			return NULL;
		buf_addf(&b, "%s%s", b.len > 0 ? "," : "", of(c));
	}
	return take_ptr(b.data);
}

static bool same(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static int bind_host(struct sandbox *s, struct err *e)
{
	struct resources *r = &s->resources;
	auto_free char *cpus = join(r, cpus_of);
	auto_free char *mems = join(r, mems_of);

	if (same(cpus, r->cpus) && same(mems, r->mems))
		return 0;
	if (host_cgroup_set_cpuset(&s->dir, cpus, mems, e) < 0)
		return err_wrap(e, "CPUs of the sandbox on the host");
	free(r->cpus);
	free(r->mems);
	r->cpus = take_ptr(cpus);
	r->mems = take_ptr(mems);
	return 0;
}

static void bind_host_again(struct sandbox *s)
{
	struct err e = ERR_INIT;

	if (s->phase == SANDBOX_RUNNING && bind_host(s, &e) < 0)
		log_warn("%s", e.text);
}

/* ---- Claims ---- */

static int begin(struct sandbox *s, struct deadline d, struct err *e)
{
	sandbox_enter(s);
	while (s->resources.busy)
		if (cond_wait(&s->resources.idle, d, e) < 0) {
			sandbox_leave(s);
			return err_wrap(e, "wait while the VM grows for another container");
		}
	s->resources.busy = true;
	return 0;
}

static void end(struct sandbox *s)
{
	s->resources.busy = false;
	cond_wake_all(&s->resources.idle);
	sandbox_leave(s);
}

static int make_room(struct sandbox *s, struct deadline d, struct err *e)
{
	return grow(s, d, e) < 0 ? -1 : bind_host(s, e);
}

static void give_up(void *arg)
{
	struct claim *c = arg;
	struct sandbox *s = c->s;
	struct claim **at = &s->resources.claims;

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	free_claim(c);
	if (s->resources.claims)
		bind_host_again(s);
}

int resources_claim(struct sandbox *s, const char *id, const struct oci_resources *limits,
		    struct deadline d, struct undo *u, struct err *e)
{
	struct claim *c;
	int result;

	if (begin(s, d, e) < 0)
		return -1;
	c = new_claim(s, id);
	set_limits(c, limits);
	c->next = s->resources.claims;
	s->resources.claims = c;
	undo_push(u, "resources", give_up, c);
	result = make_room(s, d, e);
	end(s);
	return result;
}

/* Limits on devices stay those of Create: the rules are the host's and were rewritten for the guest. */
static int tell_guest(struct sandbox *s, const char *id, const struct oci_resources *limits,
		      struct deadline d, struct err *e)
{
	Grpc__LinuxResources *message = oci_resources_to_agent(limits);
	int result;

	spec_guest_resources(message);
	for (size_t i = 0; i < message->n_devices; i++)
		grpc__linux_device_cgroup__free_unpacked(message->devices[i], NULL);
	free(message->devices);
	message->devices = NULL;
	message->n_devices = 0;
	result = agent_update_container(s->agent, id, message, sandbox_request_deadline(s, d), e);
	grpc__linux_resources__free_unpacked(message, NULL);
	return result;
}

/* The container may have gone meanwhile. */
static void restore(struct sandbox *s, struct claim *before)
{
	struct claim *c = find(&s->resources, before->id);

	if (c) {
		c->limits = before->limits;
		replace(&c->cpus, before->cpus);
		replace(&c->mems, before->mems);
		bind_host_again(s);
	}
}

static int update(struct sandbox *s, const char *id, const struct oci_resources *limits,
		  struct deadline d, struct err *e)
{
	struct claim *c = find(&s->resources, id), *before;
	int result;

	if (!c)
		return err_set(e, ERR_NOT_FOUND, "there is no such container in the guest");
	before = copy_claim(c);
	set_limits(c, limits);
	result = make_room(s, d, e);
	if (result == 0)
		result = tell_guest(s, id, limits, d, e);
	if (result < 0)
		restore(s, before);
	free_claim(before);
	return result;
}

int sandbox_update_container(struct sandbox *s, const char *id, const struct oci_resources *limits,
			     struct deadline d, struct err *e)
{
	int result;

	if (begin(s, d, e) < 0)
		return -1;
	result = update(s, id, limits, d, e);
	end(s);
	return result < 0 ? sandbox_explain(s, e) : 0;
}
