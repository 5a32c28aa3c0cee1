/* SPDX-License-Identifier: Apache-2.0 */
/* The size of a VM; see sizing.h. */
#include "config/sizing.h"

#include <inttypes.h>
#include <math.h>
#include <unistd.h>

#define MIB            (1024 * 1024)
#define MEMORY_MIB_MIN 64 /* as for default_memory, see config/table.c */
#define MEMORY_MIB_MAX (16u << 20)
#define PERIOD_DEFAULT 100000 /* Documentation/admin-guide/cgroup-v2.rst, cpu.max */
#define SHARES_MIN     2      /* sched(7); Kubernetes gives them to who asks for nothing */
#define SHARES_OF_CPU  1024.0

static uint32_t size_cpus(const struct config *c, const struct sizing_request *r)
{
	const struct config_hypervisor *h = &c->hypervisor;
	double max =
		h->default_maxvcpus ? h->default_maxvcpus : (double)sysconf(_SC_NPROCESSORS_ONLN);
	double period = r->cpu_period ? (double)r->cpu_period : PERIOD_DEFAULT;
	double overhead = h->overhead_vcpus / 1000.0;
	double cpus = h->default_vcpus;

	if (r->cpu_quota > 0)
		cpus = fmax(1, ceil(overhead + (double)r->cpu_quota / period));
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
	static const struct sizing_request nothing = { .cpu_quota = 0 };

	if (!c->runtime.static_sandbox_resource_mgmt)
		r = &nothing;
	ret->vcpus = size_cpus(c, r);
	return size_memory(c, r->memory, &ret->memory_mib, e);
}
