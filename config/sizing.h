/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_CONFIG_SIZING_H
#define HUSK_CONFIG_SIZING_H

#include "config/config.h"

/*
 * How large a VM has to be for what runs in it.
 *
 * static_sandbox_resource_mgmt = true: made for what its pod may use, and never changed. Decided for
 * each resource by itself: a limit on CPUs says nothing about memory.
 *
 *   CPUs    a limit        overhead_vcpus + limit, rounded up, at least 1
 *           a request      the same with the request, but no less than default_vcpus
 *           neither        default_vcpus
 *           … and never more than default_maxvcpus (0: the CPUs of the host)
 *   memory  a limit        overhead_memory + limit, rounded up to an even number of MiB
 *           none           default_memory
 *
 * false: it grows with the limits of its containers, on top of the defaults. What is known of them at
 * boot it has from the start.
 *
 *   CPUs    default_vcpus + the sum of the limits, rounded up, at most default_maxvcpus
 *   memory  default_memory + the sum of the limits, rounded up to an even number of MiB, at most
 *           default_maxmemory
 *
 * A maximum that is configured refuses what goes beyond it: CPU limits that are more by themselves, and
 * memory. One of 0 is what the host has, which a limit may well exceed: that only caps.
 */
struct sizing_request {
	int64_t cpu_quota;   /* microseconds of each period; 0 or less: no limit */
	uint64_t cpu_period; /* microseconds; 0: 100000, the kernel's */
	uint64_t cpu_shares; /* 1024 are a CPU; 2 (the least there is) or less: no request */
	int64_t memory;      /* bytes; 0 or less: no limit */
};

struct sizing {
	uint32_t vcpus, max_vcpus; /* now, and what it may come to have; equal: it never grows */
	uint64_t memory_mib, max_memory_mib;
	uint32_t memory_slots; /* how often memory can be added */
	bool capped;           /* it would be larger if the host were */
};

/*
 * Of a VM at boot. ERR_INVALID, with the keys and the limit, for one that could not even boot (below 64
 * MiB); ERR_EXHAUSTED for one beyond a configured maximum.
 */
int sizing_of(const struct config *c, const struct sizing_request *r, struct sizing *ret,
	      struct err *e) must_check;

/* Of a VM that grows, for all the containers that are in it; errors as above. */
int sizing_of_containers(const struct config *c, const struct sizing_request *r, size_t n,
			 struct sizing *ret, struct err *e) must_check;

#endif
