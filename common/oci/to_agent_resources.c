/* SPDX-License-Identifier: Apache-2.0 */
/* linux.resources as a message of the agent protocol; see to_agent.h. */
#include "common/oci/message.h"
#include "common/oci/to_agent.h"

/* In a device rule, on the wire: every number. */
#define ALL_NUMBERS (-1)

static void convert_devices(Grpc__LinuxResources *m, const struct oci_resources *r)
{
	m->n_devices = r->n_devices;
	m->devices = oci_message_array(&grpc__linux_device_cgroup__descriptor, r->n_devices);
	for (size_t i = 0; i < r->n_devices; i++) {
		const struct oci_device_rule *from = &r->devices[i];
		Grpc__LinuxDeviceCgroup *to = m->devices[i];

		to->allow = from->allow;
		oci_message_set(&to->type, from->type);
		to->major = from->has_major ? from->major : ALL_NUMBERS;
		to->minor = from->has_minor ? from->minor : ALL_NUMBERS;
		oci_message_set(&to->access, from->access);
	}
}

static Grpc__LinuxMemory *convert_memory(const struct oci_memory *from)
{
	Grpc__LinuxMemory *m = oci_message_new(&grpc__linux_memory__descriptor);

	m->limit = from->limit;
	m->reservation = from->reservation;
	m->swap = from->swap;
	m->kernel = from->kernel;
	m->kerneltcp = from->kernel_tcp;
	m->swappiness = from->swappiness;
	m->disableoomkiller = from->disable_oom_killer;
	return m;
}

static Grpc__LinuxCPU *convert_cpu(const struct oci_cpu *from)
{
	Grpc__LinuxCPU *m = oci_message_new(&grpc__linux_cpu__descriptor);

	m->shares = from->shares;
	m->quota = from->quota;
	m->period = from->period;
	m->realtimeruntime = from->realtime_runtime;
	m->realtimeperiod = from->realtime_period;
	oci_message_set(&m->cpus, from->cpus);
	oci_message_set(&m->mems, from->mems);
	return m;
}

static Grpc__LinuxThrottleDevice **convert_throttle(const struct oci_throttle_device *from,
						    size_t n)
{
	Grpc__LinuxThrottleDevice **m =
		oci_message_array(&grpc__linux_throttle_device__descriptor, n);

	for (size_t i = 0; i < n; i++) {
		m[i]->major = from[i].major;
		m[i]->minor = from[i].minor;
		m[i]->rate = from[i].rate;
	}
	return m;
}

static Grpc__LinuxBlockIO *convert_block_io(const struct oci_block_io *from)
{
	Grpc__LinuxBlockIO *m = oci_message_new(&grpc__linux_block_io__descriptor);

	m->weight = from->weight;
	m->leafweight = from->leaf_weight;
	m->n_weightdevice = from->n_weight_devices;
	m->weightdevice =
		oci_message_array(&grpc__linux_weight_device__descriptor, from->n_weight_devices);
	for (size_t i = 0; i < from->n_weight_devices; i++) {
		m->weightdevice[i]->major = from->weight_devices[i].major;
		m->weightdevice[i]->minor = from->weight_devices[i].minor;
		m->weightdevice[i]->weight = from->weight_devices[i].weight;
		m->weightdevice[i]->leafweight = from->weight_devices[i].leaf_weight;
	}
	m->n_throttlereadbpsdevice = from->n_read_bps;
	m->throttlereadbpsdevice = convert_throttle(from->read_bps, from->n_read_bps);
	m->n_throttlewritebpsdevice = from->n_write_bps;
	m->throttlewritebpsdevice = convert_throttle(from->write_bps, from->n_write_bps);
	m->n_throttlereadiopsdevice = from->n_read_iops;
	m->throttlereadiopsdevice = convert_throttle(from->read_iops, from->n_read_iops);
	m->n_throttlewriteiopsdevice = from->n_write_iops;
	m->throttlewriteiopsdevice = convert_throttle(from->write_iops, from->n_write_iops);
	return m;
}

static Grpc__LinuxNetwork *convert_network(const struct oci_network *from)
{
	Grpc__LinuxNetwork *m = oci_message_new(&grpc__linux_network__descriptor);

	m->classid = from->class_id;
	m->n_priorities = from->n_priorities;
	m->priorities =
		oci_message_array(&grpc__linux_interface_priority__descriptor, from->n_priorities);
	for (size_t i = 0; i < from->n_priorities; i++) {
		oci_message_set(&m->priorities[i]->name, from->priorities[i].name);
		m->priorities[i]->priority = from->priorities[i].priority;
	}
	return m;
}

Grpc__LinuxResources *oci_resources_to_agent(const struct oci_resources *r)
{
	Grpc__LinuxResources *m = oci_message_new(&grpc__linux_resources__descriptor);

	convert_devices(m, r);
	if (r->memory)
		m->memory = convert_memory(r->memory);
	if (r->cpu)
		m->cpu = convert_cpu(r->cpu);
	if (r->has_pids_limit) {
		m->pids = oci_message_new(&grpc__linux_pids__descriptor);
		m->pids->limit = r->pids_limit;
	}
	if (r->block_io)
		m->blockio = convert_block_io(r->block_io);
	m->n_hugepagelimits = r->n_hugepage_limits;
	m->hugepagelimits =
		oci_message_array(&grpc__linux_hugepage_limit__descriptor, r->n_hugepage_limits);
	for (size_t i = 0; i < r->n_hugepage_limits; i++) {
		oci_message_set(&m->hugepagelimits[i]->pagesize, r->hugepage_limits[i].page_size);
		m->hugepagelimits[i]->limit = r->hugepage_limits[i].limit;
	}
	if (r->network)
		m->network = convert_network(r->network);
	return m;
}
