/* SPDX-License-Identifier: Apache-2.0 */
/* The size of a VM; see sizing.h. */
#include "config/sizing.h"

#include <inttypes.h>
#include <math.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#define MIB            (1024 * 1024)
#define MEMORY_MIB_MIN 64 /* as for default_memory, see config/table.c */
#define MEMORY_MIB_MAX (16u << 20)
#define PERIOD_DEFAULT 100000 /* Documentation/admin-guide/cgroup-v2.rst, cpu.max */
#define SHARES_MIN     2      /* sched(7); Kubernetes gives them to who asks for nothing */
#define SHARES_OF_CPU  1024.0
#define MILLICPUS_MAX  1e9 /* of one container: so that sums stay numbers */

static uint32_t host_vcpus(void)
{
	return (uint32_t)sysconf(_SC_NPROCESSORS_ONLN);
}

static uint64_t host_memory_mib(void)
{
	struct sysinfo host;

	return sysinfo(&host) < 0 ? MEMORY_MIB_MAX : (uint64_t)host.totalram * host.mem_unit / MIB;
}

static double limit_of(const struct sizing_request *r)
{
	double period = r->cpu_period ? (double)r->cpu_period : PERIOD_DEFAULT;

	return r->cpu_quota > 0 ? (double)r->cpu_quota / period : 0;
}

/* ---- Static ---- */

static uint32_t size_cpus(const struct config *c, const struct sizing_request *r)
{
	const struct config_hypervisor *h = &c->hypervisor;
	double max = h->default_maxvcpus ? h->default_maxvcpus : host_vcpus();
	double overhead = h->overhead_vcpus / 1000.0;
	double cpus = h->default_vcpus;

	if (r->cpu_quota > 0)
		cpus = fmax(1, ceil(overhead + limit_of(r)));
	else if (r->cpu_shares > SHARES_MIN)
		cpus = fmax(cpus, ceil(overhead + (double)r->cpu_shares / SHARES_OF_CPU));
	return (uint32_t)fmin(cpus, max);
}

static int size_memory(const struct config *c, int64_t limit, uint64_t *ret, struct err *e)
{
	const struct config_hypervisor *h = &c->hypervisor;
	uint64_t mib;

	if (limit <= 0) {
		*ret = h->default_memory_mib;
		return 0;
	}
	mib = ((uint64_t)limit + MIB - 1) / MIB + h->overhead_memory_mib;
	mib += mib % 2;
	if (mib < MEMORY_MIB_MIN || mib > MEMORY_MIB_MAX)
		return err_set(
			e, ERR_INVALID,
			"memory of the sandbox comes to %" PRIu64
			" MiB (must be from %u to %u): the limit is %" PRId64
			" bytes, hypervisor.overhead_memory = %" PRIu32
			" MiB; raise one of them, or set runtime.static_sandbox_resource_mgmt "
			"= false",
			mib, MEMORY_MIB_MIN, MEMORY_MIB_MAX, limit, h->overhead_memory_mib);
	*ret = mib;
	return 0;
}

int sizing_of(const struct config *c, const struct sizing_request *r, struct sizing *ret,
	      struct err *e)
{
	if (!c->runtime.static_sandbox_resource_mgmt)
		return sizing_of_containers(c, r, 1, ret, e);
	*ret = (struct sizing){ .vcpus = size_cpus(c, r) };
	if (size_memory(c, r->memory, &ret->memory_mib, e) < 0)
		return -1;
	ret->max_vcpus = ret->vcpus;
	ret->max_memory_mib = ret->memory_mib;
	return 0;
}

/* ---- Growing ---- */

static int sum_cpus(const struct config_hypervisor *h, const struct sizing_request *r, size_t n,
		    struct sizing *ret, struct err *e)
{
	uint64_t limits = 0, wanted; /* thousandths: their sum is exact, that of fractions is not */

	ret->max_vcpus = h->default_maxvcpus ? h->default_maxvcpus : host_vcpus();
	for (size_t i = 0; i < n; i++)
		limits += (uint64_t)fmin(ceil(1000 * limit_of(&r[i])), MILLICPUS_MAX);
	if (h->default_maxvcpus && limits > 1000ull * h->default_maxvcpus)
		return err_set(e, ERR_EXHAUSTED,
			       "the CPU limits of the sandbox's containers come to %g, "
			       "hypervisor.default_maxvcpus = %" PRIu32,
			       (double)limits / 1000, h->default_maxvcpus);
	wanted = h->default_vcpus + (limits + 999) / 1000;
	ret->capped = wanted > ret->max_vcpus && !h->default_maxvcpus;
	ret->vcpus = (uint32_t)(wanted < ret->max_vcpus ? wanted : ret->max_vcpus);
	return 0;
}

static int sum_memory(const struct config_hypervisor *h, const struct sizing_request *r, size_t n,
		      struct sizing *ret, struct err *e)
{
	uint64_t limits = 0, wanted;

	ret->max_memory_mib =
		h->default_maxmemory_mib ? h->default_maxmemory_mib : host_memory_mib();
	for (size_t i = 0; i < n; i++)
		if (r[i].memory > 0)
			limits += ((uint64_t)r[i].memory + MIB - 1) / MIB;
	wanted = h->default_memory_mib + limits;
	wanted += wanted % 2;
	if (h->default_maxmemory_mib && wanted > h->default_maxmemory_mib)
		return err_set(e, ERR_EXHAUSTED,
			       "memory of the sandbox comes to %" PRIu64
			       " MiB: the limits of its containers are %" PRIu64
			       " MiB, hypervisor.default_memory = %" PRIu32
			       " MiB, hypervisor.default_maxmemory = %" PRIu32 " MiB",
			       wanted, limits, h->default_memory_mib, h->default_maxmemory_mib);
	ret->memory_mib = wanted;
	if (wanted > ret->max_memory_mib && wanted > h->default_memory_mib) {
		ret->capped = true;
		ret->memory_mib = ret->max_memory_mib;
	}
	return 0;
}

int sizing_of_containers(const struct config *c, const struct sizing_request *r, size_t n,
			 struct sizing *ret, struct err *e)
{
	*ret = (struct sizing){ .memory_slots = c->hypervisor.memory_slots };
	if (sum_cpus(&c->hypervisor, r, n, ret, e) < 0 ||
	    sum_memory(&c->hypervisor, r, n, ret, e) < 0)
		return -1;
	/* Defaults that are more than the host has are meant. */
	if (ret->max_vcpus < c->hypervisor.default_vcpus)
		ret->max_vcpus = ret->vcpus = c->hypervisor.default_vcpus;
	if (ret->max_memory_mib < c->hypervisor.default_memory_mib)
		ret->max_memory_mib = ret->memory_mib = c->hypervisor.default_memory_mib;
	return 0;
}
