/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_CONFIG_SIZING_H
#define HUSK_CONFIG_SIZING_H

#include "config/config.h"

/*
 * How large a VM has to be for what its pod may use (static_sandbox_resource_mgmt). Decided for each
 * resource by itself: a limit on CPUs says nothing about memory.
 *
 *   CPUs    a limit        overhead_vcpus + limit, rounded up, at least 1
 *           a request      the same with the request, but no less than default_vcpus
 *           neither        default_vcpus
 *           … and never more than default_maxvcpus (0: the CPUs of the host)
 *   memory  a limit        overhead_memory + limit, rounded up to an even number of MiB
 *           none           default_memory
 */
struct sizing_request {
	int64_t cpu_quota;   /* microseconds of each period; 0 or less: no limit */
	uint64_t cpu_period; /* microseconds; 0: 100000, the kernel's */
	uint64_t cpu_shares; /* 1024 are a CPU; 2 (the least there is) or less: no request */
	int64_t memory;      /* bytes; 0 or less: no limit */
};

struct sizing {
	uint32_t vcpus;
	uint64_t memory_mib;
};

/* ERR_INVALID, with the keys and the limit, for a VM that could not even boot (below 64 MiB). */
int sizing_of(const struct config *c, const struct sizing_request *r, struct sizing *ret,
	      struct err *e) must_check;

#endif
